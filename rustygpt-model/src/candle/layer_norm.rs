//! Layer normalisation, of encoders and of StarCoder 2.

use super::load::{LoadError, Loader};
use super::products::team;
use super::vector::{Kernel, Vector, dispatch};

/// Rows that one task computes.
const TASK_ROWS: usize = 16;

/// Layer normalisation (Ba et al., 2016): mean 0 and variance 1, then a weight and a bias per
/// element.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    weights: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// Reads weights and bias of `width` elements from under a stem.
    pub(crate) fn load(loader: &Loader<'_>, stem: &str, width: usize) -> Result<Self, LoadError> {
        Ok(Self {
            weights: loader.vector(&format!("{stem}.weight"), width)?,
            bias: loader.vector(&format!("{stem}.bias"), width)?,
            epsilon: loader.sizes.norm_epsilon as f32,
        })
    }

    /// Elements of a row.
    pub(crate) fn width(&self) -> usize {
        self.weights.len()
    }

    /// Normalises rows where they are.
    pub(crate) fn apply(&self, rows: &mut [f32]) {
        team().chunks_mut(rows, self.weights.len() * TASK_ROWS, |_, rows| {
            dispatch(Rows { norm: self, rows });
        });
    }

    /// Adds a product and its bias to rows, and normalises the sums.
    pub(crate) fn add_and_apply(&self, rows: &mut [f32], product: &[f32], bias: &[f32]) {
        let width = self.weights.len();
        let task = width * TASK_ROWS;
        team().chunks_mut(rows, task, |index, rows| {
            let product = &product[index * task..index * task + rows.len()];
            let products = product.chunks_exact(width);
            for (row, product) in rows.chunks_exact_mut(width).zip(products) {
                for ((value, product), bias) in row.iter_mut().zip(product).zip(bias) {
                    *value += product + bias;
                }
            }
            dispatch(Rows { norm: self, rows });
        });
    }
}

/// Rows that are normalised where they are.
struct Rows<'a> {
    norm: &'a LayerNorm,
    rows: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let width = self.norm.weights.len();
        for row in self.rows.chunks_exact_mut(width) {
            let mean = sum(row, |value| value) / width as f32;
            // Around the mean, because the difference of two large sums loses digits.
            let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
            let scale = 1.0 / (variance + self.norm.epsilon).sqrt();
            for ((value, weight), bias) in
                row.iter_mut().zip(&self.norm.weights).zip(&self.norm.bias)
            {
                *value = (*value - mean) * scale * weight + bias;
            }
        }
    }
}

/// `Σ f(v)` in independent partial sums.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    const LANES: usize = 32;
    let mut sums = [0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let tail: f32 = chunks.remainder().iter().map(|&value| f(value)).sum();
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += f(chunk[lane]);
        }
    }
    sums.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_centred_and_scaled() {
        let norm = LayerNorm {
            weights: vec![2.0; 4],
            bias: vec![1.0; 4],
            epsilon: 0.0,
        };
        let mut rows = [1.0, 1.0, 3.0, 3.0, 100.0, 100.0, 102.0, 102.0];
        norm.apply(&mut rows);
        assert_eq!(rows, [-1.0, -1.0, 3.0, 3.0, -1.0, -1.0, 3.0, 3.0]);
    }
}
