//! Normalisation of rows.

#![expect(unsafe_code, reason = "tasks write the same parts of two buffers")]

use super::elementwise::{self, TASK_LENGTH, for_rows};
use super::layer_norm::LayerNorm;
use super::load::LoadError;
use super::products::team;
use super::shared::Shared;
use super::vector::{Kernel, Vector, dispatch};
use std::sync::Arc;

/// A decoder's normalisation, of whichever kind the file has weights for.
#[derive(Clone, Debug)]
pub(crate) enum Norm {
    /// Without a bias.
    RootMeanSquare(RmsNorm),
    /// With one.
    Layer(LayerNorm),
}

impl Norm {
    /// Elements that are normalised together.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::RootMeanSquare(norm) => norm.weights.len(),
            Self::Layer(norm) => norm.width(),
        }
    }

    /// Normalises each run of [`Self::width`] elements: a row, or each head of a row.
    pub(crate) fn in_place(&self, rows: &mut [f32]) {
        match self {
            Self::RootMeanSquare(norm) => norm.in_place(rows),
            Self::Layer(norm) => norm.apply(rows),
        }
    }

    /// Normalises rows into `output`.
    pub(crate) fn forward(&self, rows: &mut [f32], output: &mut [f32]) {
        match self {
            Self::RootMeanSquare(norm) => norm.forward(rows, output),
            Self::Layer(norm) => {
                output.copy_from_slice(rows);
                norm.apply(output);
            }
        }
    }

    /// `rows ← rows + addends`, and the sums, normalised, into `output`.
    pub(crate) fn add_and_normalise(&self, rows: &mut [f32], addends: &[f32], output: &mut [f32]) {
        match self {
            Self::RootMeanSquare(norm) => norm.add_and_normalise(rows, addends, output),
            Self::Layer(_) => {
                elementwise::add(rows, addends);
                self.forward(rows, output);
            }
        }
    }

    /// What accelerators compute.
    pub(crate) fn root_mean_square(&self) -> Result<&RmsNorm, LoadError> {
        match self {
            Self::RootMeanSquare(norm) => Ok(norm),
            Self::Layer(_) => Err(LoadError::not_on_accelerators("layer normalisation")),
        }
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich, 2019) with a weight per element.
#[derive(Clone, Debug)]
pub(crate) struct RmsNorm {
    pub(crate) weights: Arc<[f32]>,
    pub(crate) epsilon: f64,
}

impl RmsNorm {
    /// Normalises each run of `weights.len()` elements: a row, or each head of a row.
    pub(crate) fn in_place(&self, rows: &mut [f32]) {
        for_rows(rows, self.weights.len(), |rows| {
            for row in rows.chunks_exact_mut(self.weights.len()) {
                dispatch(NormaliseRow {
                    norm: self,
                    row,
                    addend: None,
                    output: None,
                });
            }
        });
    }

    /// Normalises rows into `output`.
    pub(crate) fn forward(&self, rows: &mut [f32], output: &mut [f32]) {
        self.over_rows(rows, None, output);
    }

    /// `rows ← rows + addends`, and the sums, normalised, into `output`.
    pub(crate) fn add_and_normalise(&self, rows: &mut [f32], addends: &[f32], output: &mut [f32]) {
        self.over_rows(rows, Some(addends), output);
    }

    fn over_rows(&self, rows: &mut [f32], addends: Option<&[f32]>, output: &mut [f32]) {
        assert_eq!(rows.len(), output.len());
        let width = self.weights.len();
        let run = (TASK_LENGTH / width.max(1)).max(1) * width;
        let shared = Shared::new(output);
        team().chunks_mut(rows, run, |task, rows| {
            for (index, row) in rows.chunks_exact_mut(width).enumerate() {
                let first = task * run + index * width;
                let addend = addends.map(|addends| &addends[first..first + width]);
                // SAFETY: every row belongs to one task.
                let output = Some(unsafe { shared.part(first..first + width) });
                dispatch(NormaliseRow {
                    norm: self,
                    row,
                    addend,
                    output,
                });
            }
        });
    }
}

/// One row.
struct NormaliseRow<'a> {
    norm: &'a RmsNorm,
    row: &'a mut [f32],
    addend: Option<&'a [f32]>,
    /// Where the result goes; in place without.
    output: Option<&'a mut [f32]>,
}

impl Kernel for NormaliseRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        /// Independent sums, so that none waits for the one before.
        const SUMS: usize = 4;
        let Self {
            norm,
            row,
            addend,
            output,
        } = self;
        if let Some(addend) = addend {
            for (value, addend) in row.iter_mut().zip(addend) {
                *value += addend;
            }
        }
        let mut sums = [V::splat(0.0); SUMS];
        let mut chunks = row.chunks_exact(SUMS * V::WIDTH);
        for chunk in chunks.by_ref() {
            for (sum, chunk) in sums.iter_mut().zip(chunk.chunks_exact(V::WIDTH)) {
                let value = V::from_slice(chunk);
                *sum = value.multiply_add(value, *sum);
            }
        }
        let rest: f32 = chunks.remainder().iter().map(|value| value * value).sum();
        let sum = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum() + rest;
        let mean = f64::from(sum) / norm.weights.len() as f64;
        let scale = (1.0 / (mean + norm.epsilon).sqrt()) as f32;
        match output {
            Some(output) => {
                let values = row.iter().zip(norm.weights.iter());
                for (output, (value, weight)) in output.iter_mut().zip(values) {
                    *output = value * scale * weight;
                }
            }
            None => {
                for (value, weight) in row.iter_mut().zip(norm.weights.iter()) {
                    *value = *value * scale * weight;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::tests::random;
    use super::*;

    #[test]
    fn rows_have_the_root_mean_square_of_their_weights() {
        for width in [1, 20, 64, 100, 2048] {
            let rows = TASK_LENGTH / width + 3;
            let norm = RmsNorm {
                weights: random(width, 1).into(),
                epsilon: 1e-5,
            };
            let (values, addends) = (random(rows * width, 2), random(rows * width, 3));
            let expected: Vec<f64> = values
                .chunks(width)
                .zip(addends.chunks(width))
                .flat_map(|(row, addends)| {
                    let sums = row.iter().zip(addends).map(|(a, b)| f64::from(a + b));
                    let sums: Vec<f64> = sums.collect();
                    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
                    let scale = 1.0 / (squares / width as f64 + norm.epsilon).sqrt();
                    let weighted = sums.into_iter().zip(norm.weights.iter());
                    weighted
                        .map(|(sum, weight)| sum * scale * f64::from(*weight))
                        .collect::<Vec<_>>()
                })
                .collect();
            let mut sums = values;
            let mut output = vec![0.0; sums.len()];
            norm.add_and_normalise(&mut sums, &addends, &mut output);
            for (ours, expected) in output.iter().zip(&expected) {
                assert!((f64::from(*ours) - expected).abs() < 1e-5, "width {width}");
            }
            let mut again = vec![0.0; sums.len()];
            norm.forward(&mut sums, &mut again);
            assert_eq!(again, output, "width {width}");
            norm.in_place(&mut sums);
            assert_eq!(sums, output, "width {width}");
        }
    }
}
