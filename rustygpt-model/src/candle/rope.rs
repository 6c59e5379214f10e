//! Rotary position embedding (Su et al., "RoFormer", 2021) and its context extensions.

use super::batch::Batch;
use super::load::LoadError;
use super::products::team;
use super::vector::{Kernel, Vector, dispatch};
use std::f64::consts::TAU;

/// Which elements of a head are turned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RopeStyle {
    /// Neighbours: element `2i` with `2i + 1`. How GGUF stores the `llama` architecture.
    Neighbours,
    /// Halves: element `i` with `i + d/2`. How Hugging Face stores everything.
    Halves,
}

/// How the rotation is stretched beyond the trained context.
#[derive(Clone, Debug)]
pub(crate) enum RopeScaling {
    /// Not at all.
    None,
    /// Positions divided by `factor` (Chen et al., 2023).
    Linear { factor: f64 },
    /// Llama 3.1's smooth division of the low frequencies.
    Llama3 {
        factor: f64,
        low_frequency_factor: f64,
        high_frequency_factor: f64,
        original: usize,
    },
    /// YaRN (Peng et al., 2023): interpolation by frequency, and hotter attention.
    Yarn {
        factor: f64,
        original: usize,
        attention_factor: Option<f64>,
        beta_fast: f64,
        beta_slow: f64,
        /// Whether the blend begins and ends at whole pairs.
        truncates: bool,
    },
    /// LongRoPE (Ding et al., 2024): one divisor per frequency; the `long` ones serve sequences
    /// longer than `original`. The choice is made per sequence and step, as in the reference
    /// implementation, so that short prompts lose nothing. A sequence that grows past `original`
    /// keeps the keys it has.
    LongRope {
        short: Vec<f32>,
        long: Vec<f32>,
        original: usize,
        attention_factor: f64,
    },
    /// One divisor per frequency, as GGUF's `rope_freqs.weight` tensor holds them.
    Divisors(Vec<f32>),
}

impl RopeScaling {
    /// YaRN's magnitude for an extension by `factor`.
    pub(crate) fn yarn_magnitude(factor: f64) -> f64 {
        if factor > 1.0 {
            0.1 * factor.ln() + 1.0
        } else {
            1.0
        }
    }

    /// LongRoPE's magnitude for an extension by `factor` from `original` positions.
    pub(crate) fn long_rope_magnitude(factor: f64, original: usize) -> f64 {
        if factor > 1.0 {
            (1.0 + factor.ln() / (original as f64).ln()).sqrt()
        } else {
            1.0
        }
    }
}

/// Everything that defines one rotary embedding.
#[derive(Clone, Debug)]
pub(crate) struct RopeParameters {
    /// Elements of a head that turn; the rest passes unchanged.
    pub(crate) dimensions: usize,
    /// Base of the geometric series of frequencies.
    pub(crate) base: f64,
    /// Which elements turn together.
    pub(crate) style: RopeStyle,
    /// The extension beyond the trained context.
    pub(crate) scaling: RopeScaling,
}

/// A rotary embedding ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    style: RopeStyle,
    /// Radians per position, one per pair.
    frequencies: Vec<f64>,
    /// LongRoPE: sequences longer than this turn by these frequencies instead.
    long: Option<(usize, Vec<f64>)>,
    /// Multiplies the rotated elements (YaRN, LongRoPE).
    magnitude: f64,
}

/// Cosines and sines of one step, `tokens × pairs` each.
pub(crate) struct Rotation {
    pub(crate) style: RopeStyle,
    pub(crate) tokens: usize,
    pub(crate) pairs: usize,
    pub(crate) cosines: Vec<f32>,
    pub(crate) sines: Vec<f32>,
}

impl Rope {
    /// Computes the frequencies.
    pub(crate) fn new(parameters: &RopeParameters) -> Result<Self, LoadError> {
        let pairs = parameters.dimensions / 2;
        let width = parameters.dimensions as f64;
        let mut frequencies: Vec<f64> = (0..pairs)
            .map(|pair| parameters.base.powf(-2.0 * pair as f64 / width))
            .collect();
        let mut magnitude = 1.0;
        let mut long = None;
        match &parameters.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => frequencies.iter_mut().for_each(|f| *f /= factor),
            RopeScaling::Llama3 {
                factor,
                low_frequency_factor,
                high_frequency_factor,
                original,
            } => {
                let original = *original as f64;
                for frequency in &mut frequencies {
                    let wavelength = TAU / *frequency;
                    if wavelength > original / low_frequency_factor {
                        *frequency /= factor;
                    } else if wavelength >= original / high_frequency_factor {
                        let smooth = (original / wavelength - low_frequency_factor)
                            / (high_frequency_factor - low_frequency_factor);
                        *frequency = (1.0 - smooth) * *frequency / factor + smooth * *frequency;
                    }
                }
            }
            RopeScaling::Yarn {
                factor,
                original,
                attention_factor,
                beta_fast,
                beta_slow,
                truncates,
            } => {
                // The pair whose wavelength turns `rotations` times within the original context.
                let pair_turning = |rotations: f64| {
                    width * (*original as f64 / (rotations * TAU)).ln()
                        / (2.0 * parameters.base.ln())
                };
                let (mut low, mut high) = (pair_turning(*beta_fast), pair_turning(*beta_slow));
                if *truncates {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, high) = (low.max(0.0), high.min(width - 1.0));
                let span = if high > low { high - low } else { 0.001 };
                for (pair, frequency) in frequencies.iter_mut().enumerate() {
                    let interpolated = ((pair as f64 - low) / span).clamp(0.0, 1.0);
                    *frequency =
                        *frequency / factor * interpolated + *frequency * (1.0 - interpolated);
                }
                magnitude =
                    attention_factor.unwrap_or_else(|| RopeScaling::yarn_magnitude(*factor));
            }
            RopeScaling::LongRope {
                short,
                long: far,
                original,
                attention_factor,
            } => {
                let mut far_frequencies = frequencies.clone();
                divide(&mut far_frequencies, far)?;
                long = Some((*original, far_frequencies));
                divide(&mut frequencies, short)?;
                magnitude = *attention_factor;
            }
            RopeScaling::Divisors(divisors) => divide(&mut frequencies, divisors)?,
        }
        let mut all = frequencies
            .iter()
            .chain(long.iter().flat_map(|(_, far)| far));
        if all.any(|f| !f.is_finite()) || !magnitude.is_finite() {
            return Err(LoadError::Invalid(
                "the rotary embedding is not finite".to_owned(),
            ));
        }
        Ok(Self {
            style: parameters.style,
            frequencies,
            long,
            magnitude,
        })
    }

    /// The longest text that is read with the usual frequencies, if longer ones have others.
    pub(crate) fn long_text(&self) -> Option<usize> {
        self.long.as_ref().map(|(original, _)| *original)
    }

    /// The rotation of a step's rows.
    pub(crate) fn rotation(&self, batch: &Batch) -> Rotation {
        let pairs = self.frequencies.len();
        let mut cosines = Vec::with_capacity(batch.tokens() * pairs);
        let mut sines = Vec::with_capacity(batch.tokens() * pairs);
        for (&position, &known) in batch.positions.iter().zip(&batch.known) {
            let frequencies = match &self.long {
                Some((original, long)) if known > *original => long,
                _ => &self.frequencies,
            };
            for frequency in frequencies {
                let (sine, cosine) = (f64::from(position) * frequency).sin_cos();
                cosines.push((cosine * self.magnitude) as f32);
                sines.push((sine * self.magnitude) as f32);
            }
        }
        Rotation {
            style: self.style,
            tokens: batch.tokens(),
            pairs,
            cosines,
            sines,
        }
    }
}

fn divide(frequencies: &mut [f64], divisors: &[f32]) -> Result<(), LoadError> {
    if divisors.len() != frequencies.len() {
        return Err(LoadError::Invalid(format!(
            "{} rotary divisors for {} frequencies",
            divisors.len(),
            frequencies.len()
        )));
    }
    for (frequency, &divisor) in frequencies.iter_mut().zip(divisors) {
        *frequency /= f64::from(divisor);
    }
    Ok(())
}

impl Rotation {
    /// Turns `x`, `tokens × (heads · head_dimension)`, in place.
    pub(crate) fn apply(&self, x: &mut [f32], head_dimension: usize) {
        let tokens = self.tokens.max(1);
        let width = x.len() / tokens;
        team().chunks_mut(x, width, |token, row| {
            let turns = token * self.pairs..(token + 1) * self.pairs;
            dispatch(Turn {
                style: self.style,
                row,
                head_dimension,
                cosines: &self.cosines[turns.clone()],
                sines: &self.sines[turns],
            });
        });
    }
}

/// One token's heads.
struct Turn<'a> {
    style: RopeStyle,
    row: &'a mut [f32],
    head_dimension: usize,
    cosines: &'a [f32],
    sines: &'a [f32],
}

impl Kernel for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let pairs = self.cosines.len();
        for head in self.row.chunks_exact_mut(self.head_dimension) {
            let turns = self.cosines.iter().zip(self.sines);
            match self.style {
                RopeStyle::Neighbours => {
                    let turned = head[..2 * pairs].chunks_exact_mut(2);
                    for (pair, (cosine, sine)) in turned.zip(turns) {
                        let (a, b) = (pair[0], pair[1]);
                        pair[0] = a * cosine - b * sine;
                        pair[1] = a * sine + b * cosine;
                    }
                }
                RopeStyle::Halves => {
                    let (first, second) = head[..2 * pairs].split_at_mut(pairs);
                    let turned = first.iter_mut().zip(second);
                    for ((a, b), (cosine, sine)) in turned.zip(turns) {
                        (*a, *b) = (*a * cosine - *b * sine, *a * sine + *b * cosine);
                    }
                }
            }
        }
    }
}
