//! What is done to each row or number between an encoder's products. A product's bias is added on
//! the way, so that the rows are read once.

use crate::candle::products::team;
use crate::candle::vector::{Kernel, Vector, dispatch};

/// Rows that one task computes.
const TASK_ROWS: usize = 16;

/// The non-linearity of an encoder's feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x · Φ(x)`, Φ the normal distribution (Hendrycks and Gimpel, 2016).
    Gelu,
    /// Its approximation by tanh.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

impl Activation {
    /// Turns rows into `activation(row + bias)`, element by element.
    pub(super) fn apply(self, rows: &mut [f32], bias: &[f32]) {
        team().chunks_mut(rows, bias.len() * TASK_ROWS, |_, rows| {
            dispatch(Activated {
                activation: self,
                bias,
                rows,
            });
        });
    }
}

struct Activated<'a> {
    activation: Activation,
    bias: &'a [f32],
    rows: &'a mut [f32],
}

impl Activated<'_> {
    #[inline(always)]
    fn each(self, f: impl Fn(f32) -> f32) {
        for row in self.rows.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(self.bias) {
                *value = f(*value + bias);
            }
        }
    }
}

impl Kernel for Activated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        match self.activation {
            Activation::Gelu => {
                self.each(|x| {
                    0.5 * x * (1.0 + error_function(x * std::f32::consts::FRAC_1_SQRT_2))
                });
            }
            Activation::GeluTanh => self.each(|x| {
                // √(2/π)
                const SCALE: f32 = 0.797_884_6;
                0.5 * x * (1.0 + (SCALE * (x + 0.044_715 * x * x * x)).tanh())
            }),
            Activation::Relu => self.each(|x| x.max(0.0)),
        }
    }
}

/// `erf(x)` by Eigen's rational approximation: within 5e-7, and without a call, so that loops over
/// it become vector instructions.
#[inline(always)]
fn error_function(x: f32) -> f32 {
    // Beyond, f32 knows no difference from ±1.
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let numerator = [
        -2.726_142_3e-10_f32,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let denominator = [
        -1.456_607_2e-5_f32,
        -2.133_740_5e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let horner = |sum: f32, coefficient: &f32| sum * square + coefficient;
    x * numerator.iter().fold(0.0, horner) / denominator.iter().fold(0.0, horner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_as_exact_as_activations_need() {
        // From the tables of Abramowitz and Stegun, 7.1.
        for (x, exact) in [
            (0.0, 0.0),
            (0.1, 0.112_462_9),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (1.5, 0.966_105_1),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
            (9.0, 1.0),
        ] {
            assert!(
                (error_function(x) - exact).abs() < 5e-7,
                "erf({x}) = {}",
                error_function(x)
            );
            assert_eq!(error_function(-x), -error_function(x));
        }
    }
}
