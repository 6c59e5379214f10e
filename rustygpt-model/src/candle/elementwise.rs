//! What is computed number by number between the matrix products, in place.
//!
//! A row's result depends on the row alone: never on how many there are, or which thread has it.

use super::products::team;
use super::vector::{Kernel, Vector, WIDEST, dispatch, hyperbolic_tangent, sigmoid};

/// Numbers that a task computes: some microseconds of work.
pub(super) const TASK_LENGTH: usize = 8192;

/// A function of a number, and another at the same place.
pub(crate) trait Function: Copy + Sync {
    fn apply<V: Vector>(self, value: V, other: V) -> V;
}

/// `valuesᵢ ← f(valuesᵢ, othersᵢ)`.
struct Apply<'a, F> {
    function: F,
    values: &'a mut [f32],
    others: &'a [f32],
}

impl<F: Function> Kernel for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let mut values = self.values.chunks_exact_mut(V::WIDTH);
        let mut others = self.others.chunks_exact(V::WIDTH);
        for (value, other) in values.by_ref().zip(others.by_ref()) {
            let result = self
                .function
                .apply(V::from_slice(value), V::from_slice(other));
            result.to_slice(value);
        }
        let (rest, others) = (values.into_remainder(), others.remainder());
        if !rest.is_empty() {
            let result = self.function.apply(padded::<V>(rest), padded::<V>(others));
            let mut results = [0.0; WIDEST];
            result.to_slice(&mut results);
            rest.copy_from_slice(&results[..rest.len()]);
        }
    }
}

/// Fewer numbers than a vector has, and zeros.
#[inline(always)]
fn padded<V: Vector>(values: &[f32]) -> V {
    let mut padded = [0.0; WIDEST];
    padded[..values.len()].copy_from_slice(values);
    V::from_slice(&padded)
}

/// Computes `values ← f(values, others)` with all threads.
fn apply<F: Function>(function: F, values: &mut [f32], others: &[f32]) {
    assert_eq!(values.len(), others.len());
    team().chunks_mut(values, TASK_LENGTH, |task, values| {
        let others = &others[task * TASK_LENGTH..][..values.len()];
        dispatch(Apply {
            function,
            values,
            others,
        });
    });
}

/// Computes `values ← f(values)` with all threads.
fn apply_alone<F: Function>(function: F, values: &mut [f32]) {
    team().chunks_mut(values, TASK_LENGTH, |_, values| {
        dispatch(ApplyAlone { function, values });
    });
}

/// `valuesᵢ ← f(valuesᵢ)`.
struct ApplyAlone<'a, F> {
    function: F,
    values: &'a mut [f32],
}

impl<F: Function> Kernel for ApplyAlone<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let nothing = V::splat(0.0);
        let mut values = self.values.chunks_exact_mut(V::WIDTH);
        for value in values.by_ref() {
            self.function
                .apply(V::from_slice(value), nothing)
                .to_slice(value);
        }
        let rest = values.into_remainder();
        if !rest.is_empty() {
            let mut results = [0.0; WIDEST];
            self.function
                .apply(padded::<V>(rest), nothing)
                .to_slice(&mut results);
            rest.copy_from_slice(&results[..rest.len()]);
        }
    }
}

/// The non-linearity of a feed-forward network (Shazeer, "GLU variants", 2020).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Activation {
    /// `x · σ(x)`.
    Silu,
    /// The tanh approximation of the Gaussian error linear unit.
    GeluTanh,
    /// gpt-oss's: `x · σ(slope · x)` of a gate that is at most `limit`, and of `up + 1` with `up`
    /// within ± `limit`.
    ClampedSwish { slope: f32, limit: f32 },
}

impl Activation {
    /// `gate ← activation(gate) · up`, element by element.
    pub(crate) fn gate(self, gate: &mut [f32], up: &[f32]) {
        match self {
            Self::Silu => apply(GatedSilu, gate, up),
            Self::GeluTanh => apply(GatedGeluTanh, gate, up),
            Self::ClampedSwish { slope, limit } => apply(ClampedSwish { slope, limit }, gate, up),
        }
    }

    /// `values ← activation(values)`, in a network without a gate.
    pub(crate) fn apply(self, values: &mut [f32]) {
        match self {
            Self::Silu => apply_alone(LetThrough(GatedSilu, 1.0), values),
            Self::GeluTanh => apply_alone(LetThrough(GatedGeluTanh, 1.0), values),
            Self::ClampedSwish { slope, limit } => {
                apply_alone(LetThrough(ClampedSwish { slope, limit }, 0.0), values);
            }
        }
    }
}

/// A gate that lets the same through everywhere.
#[derive(Clone, Copy)]
struct LetThrough<F>(F, f32);

impl<F: Function> Function for LetThrough<F> {
    #[inline(always)]
    fn apply<V: Vector>(self, value: V, _: V) -> V {
        self.0.apply(value, V::splat(self.1))
    }
}

#[derive(Clone, Copy)]
struct GatedSilu;

impl Function for GatedSilu {
    #[inline(always)]
    fn apply<V: Vector>(self, gate: V, up: V) -> V {
        gate.multiply(sigmoid(gate)).multiply(up)
    }
}

#[derive(Clone, Copy)]
struct GatedGeluTanh;

impl Function for GatedGeluTanh {
    #[inline(always)]
    fn apply<V: Vector>(self, gate: V, up: V) -> V {
        gelu_tanh(gate).multiply(up)
    }
}

#[derive(Clone, Copy)]
struct ClampedSwish {
    slope: f32,
    limit: f32,
}

impl Function for ClampedSwish {
    #[inline(always)]
    fn apply<V: Vector>(self, gate: V, up: V) -> V {
        let (highest, lowest) = (V::splat(self.limit), V::splat(-self.limit));
        // What is not a number stays visible: of such a pair the second is taken.
        let gate = highest.minimum(gate);
        let up = lowest.maximum(highest.minimum(up));
        gate.multiply(sigmoid(gate.multiply(V::splat(self.slope))))
            .multiply(up.add(V::splat(1.0)))
    }
}

/// `x/2 · (1 + tanh z) = x · σ(2z)`, `z = √(2/π) · (x + 0.044715 x³)`.
#[inline(always)]
fn gelu_tanh<V: Vector>(x: V) -> V {
    // 2 √(2/π)
    const SCALE: f32 = 1.595_769_2;
    let cubic = x
        .multiply(x)
        .multiply_add(V::splat(0.044_715), V::splat(1.0));
    x.multiply(sigmoid(x.multiply(V::splat(SCALE)).multiply(cubic)))
}

/// `values ← values + addends`.
pub(crate) fn add(values: &mut [f32], addends: &[f32]) {
    #[derive(Clone, Copy)]
    struct Add;

    impl Function for Add {
        #[inline(always)]
        fn apply<V: Vector>(self, value: V, addend: V) -> V {
            value.add(addend)
        }
    }

    apply(Add, values, addends);
}

/// `values ← factor · values`.
pub(crate) fn scale(values: &mut [f32], factor: f32) {
    #[derive(Clone, Copy)]
    struct Scale(f32);

    impl Function for Scale {
        #[inline(always)]
        fn apply<V: Vector>(self, value: V, _: V) -> V {
            value.multiply(V::splat(self.0))
        }
    }

    apply_alone(Scale(factor), values);
}

/// `values ← cap · tanh(values / cap)`: keeps logits within ±`cap` (Gemma).
pub(crate) fn soft_cap(values: &mut [f32], cap: f32) {
    #[derive(Clone, Copy)]
    struct SoftCap(f32);

    impl Function for SoftCap {
        #[inline(always)]
        fn apply<V: Vector>(self, value: V, _: V) -> V {
            let inner = value.divide(V::splat(self.0));
            hyperbolic_tangent(inner).multiply(V::splat(self.0))
        }
    }

    apply_alone(SoftCap(cap), values);
}

/// Adds `addend` to every row of as many numbers.
pub(crate) fn add_to_rows(rows: &mut [f32], addend: &[f32]) {
    for_rows(rows, addend.len(), |rows| {
        for row in rows.chunks_exact_mut(addend.len()) {
            for (value, addend) in row.iter_mut().zip(addend) {
                *value += addend;
            }
        }
    });
}

/// Calls `task` with runs of whole rows.
pub(super) fn for_rows(rows: &mut [f32], width: usize, task: impl Fn(&mut [f32]) + Sync) {
    let run = (TASK_LENGTH / width.max(1)).max(1) * width;
    team().chunks_mut(rows, run, |_, rows| task(rows));
}

#[cfg(test)]
mod tests {
    use super::super::vector::tests::random;
    use super::*;

    #[test]
    fn gates_are_what_their_definitions_say() {
        // Not a whole number of vectors, and more than one task.
        let count = TASK_LENGTH + 7;
        let up = random(count, 1);
        let gate: Vec<f32> = random(count, 2).iter().map(|value| 20.0 * value).collect();
        let (slope, limit) = (1.702, 0.75);
        let clamped = Activation::ClampedSwish { slope, limit };
        for activation in [Activation::Silu, Activation::GeluTanh, clamped] {
            let mut ours = gate.clone();
            activation.gate(&mut ours, &up);
            for ((ours, gate), up) in ours.iter().zip(&gate).zip(&up) {
                let (x, mut up) = (f64::from(*gate), f64::from(*up));
                let activated = match activation {
                    Activation::Silu => x / (1.0 + (-x).exp()),
                    Activation::ClampedSwish { .. } => {
                        let limit = f64::from(limit);
                        up = up.clamp(-limit, limit) + 1.0;
                        let x = x.min(limit);
                        x / (1.0 + (-f64::from(slope) * x).exp())
                    }
                    Activation::GeluTanh => {
                        let inner =
                            (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                        0.5 * x * (1.0 + inner.tanh())
                    }
                };
                let error = (f64::from(*ours) - activated * up).abs();
                assert!(error < 2e-6, "{activation:?} of {gate}: {error}");
            }
        }
    }

    #[test]
    fn an_activation_without_a_gate_is_a_gate_that_lets_one_through() {
        let values: Vec<f32> = random(TASK_LENGTH + 7, 6).iter().map(|v| 9.0 * v).collect();
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let (mut alone, mut gated) = (values.clone(), values.clone());
            activation.apply(&mut alone);
            activation.gate(&mut gated, &vec![1.0; values.len()]);
            assert_eq!(alone, gated, "{activation:?}");
        }
    }

    #[test]
    fn capped_values_keep_their_order_and_stay_within_the_cap() {
        let mut values: Vec<f32> = (-500..500).map(|value| value as f32).collect();
        soft_cap(&mut values, 30.0);
        for (value, x) in values.iter().zip(-500..500) {
            let exact = 30.0 * (f64::from(x) / 30.0).tanh();
            assert!((f64::from(*value) - exact).abs() < 1e-5, "{x}: {value}");
        }
    }

    #[test]
    fn sums_reach_every_number() {
        let mut rows = random(3 * 50, 3);
        let before = rows.clone();
        let addend = random(50, 4);
        add_to_rows(&mut rows, &addend);
        let expected: Vec<f32> = before
            .iter()
            .zip(addend.iter().cycle())
            .map(|(a, b)| a + b)
            .collect();
        assert_eq!(rows, expected);
        let addends = random(150, 5);
        let expected: Vec<f32> = rows
            .iter()
            .zip(&addends)
            .map(|(a, b)| (a + b) * 0.5)
            .collect();
        add(&mut rows, &addends);
        scale(&mut rows, 0.5);
        assert_eq!(rows, expected);
    }
}
