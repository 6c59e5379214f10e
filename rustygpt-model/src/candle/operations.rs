//! Linear maps and embeddings, as families call them. Which kernel runs is decided here, so that
//! kernels change without touching a family.

use super::batch::PhaseRun;
use super::elementwise;
use super::products::{self, Activations, Element, Packed, Widened};
use crate::weights::ElementType;
use candle_core::{Result, bail};
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

/// A matrix of weights, `outputs × inputs`, in whatever type the file has.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// Small integers with scales; multiplied as they are.
    Quantized(Arc<Packed>),
    /// `f32`, `f16` or `bf16`.
    Widened(Arc<Widened>),
}

impl Matrix {
    /// Packs the row-major weights of a file; `None` if their type cannot be computed with.
    ///
    /// # Errors
    /// If there is no memory.
    pub(crate) fn pack(
        element_type: ElementType,
        bytes: &[u8],
        outputs: usize,
        inputs: usize,
    ) -> std::io::Result<Option<Self>> {
        let widened = |element, bytes: &[u8]| {
            let weights = Widened::pack(element, bytes, outputs, inputs)?;
            Ok(Some(Self::Widened(Arc::new(weights))))
        };
        match element_type {
            ElementType::F32 => widened(Element::F32, bytes),
            ElementType::F16 => widened(Element::F16, bytes),
            ElementType::BF16 => widened(Element::Bf16, bytes),
            ElementType::F64 => {
                let (values, _) = bytes.as_chunks::<8>();
                let narrow = |value: &[u8; 8]| (f64::from_le_bytes(*value) as f32).to_le_bytes();
                let values: Vec<u8> = values.iter().flat_map(narrow).collect();
                widened(Element::F32, &values)
            }
            other => {
                let packed = Packed::pack(other, bytes, outputs, inputs)?;
                Ok(packed.map(|weights| Self::Quantized(Arc::new(weights))))
            }
        }
    }

    /// Bytes that a matrix of a file's type will take; `None` for a type that cannot be loaded.
    pub(crate) fn packed_bytes(
        element_type: ElementType,
        outputs: usize,
        inputs: usize,
    ) -> Option<u64> {
        let element = match element_type {
            ElementType::F32 | ElementType::F64 => Element::F32,
            ElementType::F16 => Element::F16,
            ElementType::BF16 => Element::Bf16,
            other => return Packed::packed_bytes(other, outputs, inputs),
        };
        Some(Widened::packed_bytes(element, outputs, inputs))
    }

    /// Bytes of its weights.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Quantized(weights) => weights.bytes(),
            Self::Widened(weights) => weights.bytes(),
        }
    }

    /// Number of rows: the width of a product with it.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Quantized(weights) => weights.outputs(),
            Self::Widened(weights) => weights.outputs(),
        }
    }

    /// Number of columns: the width of what it is multiplied with.
    fn inputs(&self) -> usize {
        match self {
            Self::Quantized(weights) => weights.inputs(),
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
                let activations = Activations::quantise(x.values, inputs);
                products::multiply([weights], &activations, [product]);
                Ok(())
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
        for (id, row) in ids.iter().zip(rows.chunks_exact_mut(inputs)) {
            match self {
                Self::Quantized(weights) => weights.row(*id as usize, row),
                Self::Widened(weights) => weights.row(*id as usize, row),
            }
        }
        Ok(())
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
        self.add_bias(product);
        Ok(())
    }

    fn add_bias(&self, product: &mut [f32]) {
        if let Some(bias) = &self.bias {
            elementwise::add_to_rows(product, bias);
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
    pub(crate) fn forward(&self, x: Input<'_>, products: [&mut [f32]; N]) -> Result<()> {
        match self {
            Self::Separate(linears) => return forward_separate(linears, x, products),
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

/// Quantised matrices share the quantised input, and are one operation for the threads.
fn forward_separate<const N: usize>(
    linears: &[Linear; N],
    x: Input<'_>,
    mut products: [&mut [f32]; N],
) -> Result<()> {
    let quantised: Vec<&Packed> = linears
        .iter()
        .filter_map(|linear| match &linear.weights {
            Matrix::Quantized(weights) => Some(&**weights),
            Matrix::Widened(_) => None,
        })
        .collect();
    let Ok(quantised) = <[&Packed; N]>::try_from(quantised) else {
        for (linear, product) in linears.iter().zip(products) {
            linear.forward(x, product)?;
        }
        return Ok(());
    };
    for (matrix, product) in quantised.iter().zip(&products) {
        let (rows, inputs, outputs) = (x.rows(), matrix.inputs(), matrix.outputs());
        if x.values.len() != rows * inputs || product.len() != rows * outputs {
            bail!("{} numbers by a matrix of {inputs} inputs", x.values.len())
        }
    }
    if let Some(first) = quantised.first() {
        let activations = Activations::quantise(x.values, first.inputs());
        let parts = products.each_mut().map(|product| &mut **product);
        products::multiply(quantised, &activations, parts);
    }
    for (linear, product) in linears.iter().zip(products) {
        linear.add_bias(product);
    }
    Ok(())
}
