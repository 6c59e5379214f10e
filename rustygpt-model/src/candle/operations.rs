//! Linear maps and embeddings, as families call them. Which kernel runs is decided here, so that
//! kernels change without touching a family.

use super::batch::PhaseRun;
use super::elementwise;
use super::products::Widened;
use candle_core::quantized::QTensor;
use candle_core::{Device, Module, Result, Storage, Tensor, bail, quantized::QMatMul};
use std::sync::Arc;

/// What a matrix multiplies: rows of numbers, and which of them are prompt and which answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    /// `rows × inputs`.
    pub(crate) values: &'a [f32],
    /// The phases of all rows, run by run.
    pub(crate) phases: &'a [PhaseRun],
}

impl Input<'_> {
    /// How many rows.
    pub(crate) fn rows(&self) -> usize {
        self.phases.iter().map(|run| run.rows).sum()
    }
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

    /// Number of columns: the width of what it is multiplied with.
    fn inputs(&self) -> usize {
        match self {
            Self::Quantized(weights) => weights.shape().dims()[1],
            Self::Widened(weights) => weights.inputs(),
        }
    }

    /// `x · Wᵀ`: `rows × inputs` to `rows × outputs`.
    pub(crate) fn multiply(&self, x: Input<'_>, product: &mut [f32]) -> Result<()> {
        let (rows, inputs, outputs) = (x.rows(), self.inputs(), self.outputs());
        if x.values.len() != rows * inputs || product.len() != rows * outputs {
            bail!("{} numbers by a matrix of {inputs} inputs", x.values.len())
        }
        match self {
            Self::Quantized(weights) => {
                let x = Tensor::from_slice(x.values, (rows, inputs), &Device::Cpu)?;
                let result = QMatMul::QTensor(weights.clone()).forward(&x)?;
                with_values(&result, |result| product.copy_from_slice(result))
            }
            Self::Widened(weights) => {
                product.copy_from_slice(&weights.multiply(x.values));
                Ok(())
            }
        }
    }

    /// The rows of `ids`, `ids × inputs`.
    pub(crate) fn rows(&self, ids: &[u32], rows: &mut [f32]) -> Result<()> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        if let Some(id) = ids.iter().find(|id| **id as usize >= outputs) {
            bail!("row {id} of a matrix of {outputs}")
        }
        match self {
            Self::Quantized(weights) => {
                let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
                let embedded = weights.embedding(&ids)?;
                with_values(&embedded, |embedded| rows.copy_from_slice(embedded))
            }
            Self::Widened(weights) => {
                for (id, row) in ids.iter().zip(rows.chunks_exact_mut(inputs)) {
                    weights.row(*id as usize, row);
                }
                Ok(())
            }
        }
    }
}

/// A linear map with an optional bias.
#[derive(Clone)]
pub(crate) struct Linear {
    pub(crate) weights: Matrix,
    /// `outputs` values, added to every row.
    pub(crate) bias: Option<Vec<f32>>,
}

impl Linear {
    /// `x · Wᵀ + b`: `rows × inputs` to `rows × outputs`.
    pub(crate) fn forward(&self, x: Input<'_>, product: &mut [f32]) -> Result<()> {
        self.weights.multiply(x, product)?;
        if let Some(bias) = &self.bias {
            elementwise::add_to_rows(product, bias);
        }
        Ok(())
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
    pub(crate) fn forward(&self, x: Input<'_>, products: [&mut [f32]; N]) -> Result<()> {
        match self {
            Self::Separate(linears) => {
                for (linear, product) in linears.iter().zip(products) {
                    linear.forward(x, product)?;
                }
            }
            Self::Stacked { linear, widths } => {
                let width: usize = widths.iter().sum();
                let mut stacked = vec![0.0; x.rows() * width];
                linear.forward(x, &mut stacked)?;
                let mut first = 0;
                for (product, part) in products.into_iter().zip(widths) {
                    let rows = stacked.chunks_exact(width);
                    for (product, row) in product.chunks_exact_mut(*part).zip(rows) {
                        product.copy_from_slice(&row[first..first + part]);
                    }
                    first += part;
                }
            }
        }
        Ok(())
    }
}
