use super::*;

/// Numbers between -1 and 1 that are the same in every run.
pub(crate) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        // SplitMix64 (Steele et al., 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 40
    };
    (0..count)
        .map(|_| next() as f32 / (1 << 23) as f32 - 1.0)
        .collect()
}

/// Calls a function of vectors with every instruction set that the processor has.
fn with_all<K: Kernel + Clone>(kernel: &K, check: impl Fn(Instructions, K::Output)) {
    for &instructions in Instructions::detected() {
        check(instructions, run_with(instructions, kernel.clone()));
    }
}

#[derive(Clone)]
struct Map<F> {
    function: F,
    values: Vec<f32>,
}

trait Function: Clone {
    fn apply<V: Vector>(&self, x: V) -> V;
}

impl<F: Function> Kernel for Map<F> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Vector>(mut self) -> Vec<f32> {
        for chunk in self.values.chunks_exact_mut(V::WIDTH) {
            self.function.apply(V::from_slice(chunk)).to_slice(chunk);
        }
        self.values
    }
}

macro_rules! function {
    ($name:ident, $function:path) => {
        #[derive(Clone)]
        struct $name;

        impl Function for $name {
            #[inline(always)]
            fn apply<V: Vector>(&self, x: V) -> V {
                $function(x)
            }
        }
    };
}

function!(Exponential, exponential);
function!(Sigmoid, sigmoid);
function!(HyperbolicTangent, hyperbolic_tangent);

/// Numbers of all magnitudes up to `largest`, both signs, a multiple of [`WIDEST`].
fn magnitudes(largest: f32) -> Vec<f32> {
    let mut values: Vec<f32> = (0..40_000)
        .flat_map(|step| {
            let value = largest * (step as f32 / 40_000.0).powi(3);
            [value, -value]
        })
        .collect();
    values.extend([0.0, -0.0, 1e-30, -1e-30]);
    values.resize(values.len().next_multiple_of(WIDEST), 1.0);
    values
}

#[test]
fn the_exponential_is_within_two_units_in_the_last_place() {
    let values = magnitudes(88.0);
    let kernel = Map {
        function: Exponential,
        values: values.clone(),
    };
    with_all(&kernel, |instructions, results| {
        for (x, result) in values.iter().zip(results) {
            let exact = f64::from(*x).exp();
            let unit = exact * f64::from(f32::EPSILON);
            let error = (f64::from(result) - exact).abs() / unit;
            // Below, results have fewer digits.
            let is_normal = exact > f64::from(f32::MIN_POSITIVE);
            assert!(
                !is_normal || error < 2.0,
                "{instructions:?}: e^{x}: {error} units"
            );
        }
    });
}

#[test]
fn the_exponential_knows_its_limits() {
    let mut values = vec![
        f32::NEG_INFINITY,
        -1e30,
        -106.0,
        89.5,
        1e30,
        f32::INFINITY,
        f32::NAN,
    ];
    values.resize(WIDEST, 0.0);
    let kernel = Map {
        function: Exponential,
        values,
    };
    with_all(&kernel, |instructions, results| {
        let expected = [0.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY];
        assert_eq!(results[..6], expected, "{instructions:?}");
        assert!(results[6].is_nan(), "{instructions:?}");
        assert_eq!(results[7], 1.0, "{instructions:?}");
    });
}

#[test]
fn sigmoid_and_tangent_agree_with_their_definitions() {
    let values = magnitudes(200.0);
    let exact: Vec<f64> = values
        .iter()
        .map(|x| 1.0 / (1.0 + (-f64::from(*x)).exp()))
        .collect();
    let kernel = Map {
        function: Sigmoid,
        values: values.clone(),
    };
    with_all(&kernel, |instructions, results| {
        for ((x, result), exact) in values.iter().zip(results).zip(&exact) {
            let error = (f64::from(result) - exact).abs();
            assert!(
                error <= 4e-7 * exact + 1e-38,
                "{instructions:?}: σ({x}): {error}"
            );
        }
    });
    let kernel = Map {
        function: HyperbolicTangent,
        values: values.clone(),
    };
    with_all(&kernel, |instructions, results| {
        for (x, result) in values.iter().zip(results) {
            let error = (f64::from(result) - f64::from(*x).tanh()).abs();
            assert!(error < 3e-7, "{instructions:?}: tanh {x}: {error}");
        }
    });
}

#[derive(Clone)]
struct Widen {
    halves: Vec<half::f16>,
    brain_halves: Vec<half::bf16>,
}

impl Kernel for Widen {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Vector>(self) -> Vec<f32> {
        let mut wide = vec![0.0; self.halves.len() + self.brain_halves.len()];
        let mut chunks = wide.chunks_exact_mut(V::WIDTH);
        for (from, to) in self.halves.chunks_exact(V::WIDTH).zip(chunks.by_ref()) {
            Element::from_slice::<V>(from).to_slice(to);
        }
        for (from, to) in self.brain_halves.chunks_exact(V::WIDTH).zip(chunks) {
            Element::from_slice::<V>(from).to_slice(to);
        }
        wide
    }
}

#[test]
fn every_half_widens_to_itself() {
    let all = || (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00);
    let kernel = Widen {
        halves: all().map(half::f16::from_bits).collect(),
        brain_halves: all().map(half::bf16::from_bits).collect(),
    };
    let halves = kernel.halves.iter().map(|half| half.to_f32());
    let brain_halves = kernel.brain_halves.iter().map(|half| half.to_f32());
    let expected: Vec<u32> = halves.chain(brain_halves).map(f32::to_bits).collect();
    with_all(&kernel, |instructions, wide| {
        let wide: Vec<u32> = wide.into_iter().map(f32::to_bits).collect();
        assert!(wide == expected, "{instructions:?}");
    });
}

#[derive(Clone)]
struct Reduce(Vec<f32>);

impl Kernel for Reduce {
    type Output = (f32, f32);

    #[inline(always)]
    fn run<V: Vector>(self) -> (f32, f32) {
        let chunks = self.0.chunks_exact(V::WIDTH).map(V::from_slice);
        let nothing = (V::splat(0.0), V::splat(f32::MIN));
        let (sum, largest) = chunks.fold(nothing, |(sum, largest), chunk| {
            (sum.add(chunk), largest.maximum(chunk))
        });
        (sum.sum(), largest.largest())
    }
}

#[test]
fn reductions_count_every_element_once() {
    for place in 0..2 * WIDEST {
        let mut values = vec![-1.0; 2 * WIDEST];
        values[place] = 100.0;
        with_all(&Reduce(values), |instructions, (sum, largest)| {
            assert_eq!(sum, 100.0 - 31.0, "{instructions:?}");
            assert_eq!(largest, 100.0, "{instructions:?}");
        });
    }
}
