//! The opaque operations that families call: linear maps, normalisation, gated activation,
//! embedding. Which kernel runs is decided here, so that kernels change without touching a family.
//!
//! Activations are `f32` tensors of shape `tokens × width`, contiguous, on the CPU.

use super::products::Widened;
use candle_core::quantized::QTensor;
use candle_core::{Device, Module, Result, Storage, Tensor, bail, quantized::QMatMul};
use rayon::prelude::*;
use std::sync::Arc;

/// The values of a contiguous `f32` tensor, copied.
pub(crate) fn to_values(x: &Tensor) -> Result<Vec<f32>> {
    with_values(x, <[f32]>::to_vec)
}

/// Calls `f` with the values of a contiguous `f32` tensor, without copying them.
pub(crate) fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("operation on a tensor that is not contiguous: {layout:?}")
    };
    match &*storage {
        Storage::Cpu(storage) => Ok(f(&storage.as_slice::<f32>()?[start..end])),
        _ => bail!("this build computes on the CPU"),
    }
}

/// A matrix of weights, `outputs × inputs`, in whatever type the file has.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// Blocks of integers with scales; multiplied as they are.
    Quantized(Arc<QTensor>),
    /// `f32`, `f16` or `bf16`.
    Widened(Arc<Widened>),
}

impl Matrix {
    /// Number of rows: the width of a product with it.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Quantized(weights) => weights.shape().dims()[0],
            Self::Widened(weights) => weights.outputs(),
        }
    }

    /// `x · Wᵀ`: `tokens × inputs` to `tokens × outputs`.
    pub(crate) fn multiply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quantized(weights) => QMatMul::QTensor(weights.clone()).forward(x),
            Self::Widened(weights) => {
                let (rows, width) = x.dims2()?;
                if width != weights.inputs() {
                    bail!("{:?} by a matrix of {} inputs", x.shape(), weights.inputs())
                }
                let product = with_values(x, |x| weights.multiply(x))?;
                Tensor::from_vec(product, (rows, weights.outputs()), x.device())
            }
        }
    }

    /// The rows of `ids` as `f32`, `ids × inputs`.
    pub(crate) fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quantized(weights) => weights.embedding(ids),
            Self::Widened(weights) => {
                let (ids, width) = (ids.to_vec1::<u32>()?, weights.inputs());
                let mut rows = vec![0f32; ids.len() * width];
                for (id, row) in ids.iter().zip(rows.chunks_exact_mut(width)) {
                    if *id as usize >= weights.outputs() {
                        bail!("row {id} of a matrix of {}", weights.outputs())
                    }
                    weights.row(*id as usize, row);
                }
                Tensor::from_vec(rows, (ids.len(), width), &Device::Cpu)
            }
        }
    }
}

/// A linear map with an optional bias.
#[derive(Clone)]
pub(crate) struct Linear {
    pub(crate) weights: Matrix,
    /// `outputs` values, added to every row.
    pub(crate) bias: Option<Tensor>,
}

impl Linear {
    /// `x · Wᵀ + b`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = self.weights.multiply(x)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

/// Several linear maps of the same input: queries, keys and values, or gate and up. Files hold
/// them apart or stacked in one matrix.
pub(crate) enum Projections<const N: usize> {
    /// One matrix each.
    Separate(Box<[Linear; N]>),
    /// One matrix; the widths say where to cut its product.
    Stacked { linear: Linear, widths: [usize; N] },
}

impl<const N: usize> Projections<N> {
    /// All products of `x`, in order.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<[Tensor; N]> {
        let products = match self {
            Self::Separate(linears) => linears
                .iter()
                .map(|linear| linear.forward(x))
                .collect::<Result<Vec<_>>>()?,
            Self::Stacked { linear, widths } => {
                let product = linear.forward(x)?;
                let mut first = 0;
                let mut parts = Vec::with_capacity(N);
                for width in widths {
                    parts.push(product.narrow(1, first, *width)?.contiguous()?);
                    first += width;
                }
                parts
            }
        };
        products
            .try_into()
            .map_err(|_| candle_core::Error::msg("a projection lost a part"))
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich, 2019) with a weight per element.
#[derive(Clone)]
pub(crate) struct RmsNorm {
    pub(crate) weights: Arc<[f32]>,
    pub(crate) epsilon: f64,
}

impl RmsNorm {
    /// Normalises each run of `weights.len()` elements: a row, or each head of a row.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut values = to_values(x)?;
        let width = self.weights.len();
        if width == 0 || !values.len().is_multiple_of(width) {
            bail!("normalisation of {:?} by {width} weights", x.shape())
        }
        values
            .par_chunks_mut(width)
            .with_min_len(8)
            .for_each(|row| {
                // f64: the sum of a wide row of squares loses digits in f32, and exactness is cheap here.
                let squares: f64 = row
                    .iter()
                    .map(|&value| f64::from(value) * f64::from(value))
                    .sum();
                let scale = (1.0 / (squares / width as f64 + self.epsilon).sqrt()) as f32;
                for (value, weight) in row.iter_mut().zip(self.weights.iter()) {
                    *value *= scale * weight;
                }
            });
        Tensor::from_vec(values, x.shape(), x.device())
    }
}

/// The non-linearity of a gated feed-forward network (Shazeer, "GLU variants", 2020).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · σ(x)`.
    Silu,
    /// The tanh approximation of the Gaussian error linear unit.
    GeluTanh,
}

impl Activation {
    /// `activation(gate) · up`, element by element.
    pub(crate) fn gated(self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        let mut values = to_values(gate)?;
        with_values(up, |up| {
            values
                .par_chunks_mut(4096)
                .zip(up.par_chunks(4096))
                .for_each(|(gate, up)| {
                    for (gate, up) in gate.iter_mut().zip(up) {
                        *gate = self.apply(*gate) * up;
                    }
                });
        })?;
        Tensor::from_vec(values, gate.shape(), gate.device())
    }

    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::GeluTanh => {
                // √(2/π)
                const SCALE: f32 = 0.797_884_6;
                0.5 * x * (1.0 + (SCALE * (x + 0.044_715 * x * x * x)).tanh())
            }
        }
    }
}

/// `cap · tanh(x / cap)`, element by element: keeps logits within ±`cap` (Gemma).
pub(crate) fn soft_cap(x: &Tensor, cap: f32) -> Result<Tensor> {
    let mut values = to_values(x)?;
    for value in &mut values {
        *value = cap * (*value / cap).tanh();
    }
    Tensor::from_vec(values, x.shape(), x.device())
}
