//! Weights that live on a device.

use crate::candle::load::{LoadError, Loader};
use crate::weights::ElementType;
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module as _, Result, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// A matrix of weights, `outputs × inputs`.
#[derive(Clone)]
pub(super) enum DeviceMatrix {
    /// In the blocks of the file, for Candle's quantised products.
    Quantized(Arc<QTensor>),
    /// `f32`, `f16` or `bf16`.
    Dense(Tensor),
}

impl DeviceMatrix {
    fn load(
        loader: &Loader<'_>,
        device: &Device,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> std::result::Result<Self, LoadError> {
        let (element, bytes) = loader.matrix_bytes(name, outputs, inputs)?;
        let dtype = match element {
            ElementType::F32 => DType::F32,
            ElementType::F64 => DType::F64,
            ElementType::F16 => DType::F16,
            ElementType::BF16 => DType::BF16,
            other => {
                let dtype = quantized_type(other).ok_or_else(|| {
                    LoadError::Unsupported(format!("{name}: element type {}", other.name()))
                })?;
                let storage = QStorage::from_data(Cow::Borrowed(bytes), device, dtype)?;
                let blocks = QTensor::new(storage, (outputs, inputs))?;
                return Ok(Self::Quantized(Arc::new(blocks)));
            }
        };
        let dense = Tensor::from_raw_buffer(bytes, dtype, &[outputs, inputs], device)?;
        let dtype = match dense.dtype() {
            // Candle multiplies halves on accelerators only.
            DType::F16 | DType::BF16 if !device.is_cpu() => dense.dtype(),
            _ => DType::F32,
        };
        Ok(Self::Dense(dense.to_dtype(dtype)?))
    }

    /// `x · Wᵀ`: `tokens × inputs` to `tokens × outputs`, `f32`.
    fn multiply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Quantized(weights) => QMatMul::QTensor(weights.clone()).forward(x),
            Self::Dense(weights) => x
                .to_dtype(weights.dtype())?
                .matmul(&weights.t()?)?
                .to_dtype(DType::F32),
        }
    }
}

/// A linear map with an optional bias.
#[derive(Clone)]
pub(super) struct DeviceLinear {
    weights: DeviceMatrix,
    bias: Option<Tensor>,
}

impl DeviceLinear {
    pub(super) fn load(
        loader: &Loader<'_>,
        device: &Device,
        stem: &str,
        outputs: usize,
        inputs: usize,
    ) -> std::result::Result<Self, LoadError> {
        let weights =
            DeviceMatrix::load(loader, device, &format!("{stem}.weight"), outputs, inputs)?;
        let bias = loader
            .optional_vector(&format!("{stem}.bias"), outputs)?
            .map(|bias| Tensor::from_vec(bias, outputs, device))
            .transpose()?;
        Ok(Self { weights, bias })
    }

    /// `x · Wᵀ + b`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = self.weights.multiply(x)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

/// Linear maps of one input, apart or stacked as the file has them.
pub(super) enum DeviceProjections<const N: usize> {
    Separate([DeviceLinear; N]),
    Stacked {
        linear: DeviceLinear,
        widths: [usize; N],
    },
}

impl<const N: usize> DeviceProjections<N> {
    pub(super) fn load(
        loader: &Loader<'_>,
        device: &Device,
        stacked: &str,
        stems: [&str; N],
        widths: [usize; N],
        inputs: usize,
    ) -> std::result::Result<Self, LoadError> {
        if loader.is_stacked(stacked, &widths) {
            let linear = DeviceLinear::load(loader, device, stacked, widths.iter().sum(), inputs)?;
            return Ok(Self::Stacked { linear, widths });
        }
        let mut linears = Vec::with_capacity(N);
        for (stem, width) in stems.into_iter().zip(widths) {
            linears.push(DeviceLinear::load(loader, device, stem, width, inputs)?);
        }
        match linears.try_into() {
            Ok(linears) => Ok(Self::Separate(linears)),
            Err(_) => Err(LoadError::Invalid("a projection lost a part".to_owned())),
        }
    }

    /// All products of `x`, in order.
    pub(super) fn forward(&self, x: &Tensor) -> Result<[Tensor; N]> {
        let parts = match self {
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
        parts
            .try_into()
            .map_err(|_| candle_core::Error::msg("a projection lost a part"))
    }
}

/// Candle's name of a quantisation, if it can compute with it.
fn quantized_type(element_type: ElementType) -> Option<GgmlDType> {
    Some(match element_type {
        ElementType::Q4_0 => GgmlDType::Q4_0,
        ElementType::Q4_1 => GgmlDType::Q4_1,
        ElementType::Q5_0 => GgmlDType::Q5_0,
        ElementType::Q5_1 => GgmlDType::Q5_1,
        ElementType::Q8_0 => GgmlDType::Q8_0,
        ElementType::Q8_1 => GgmlDType::Q8_1,
        ElementType::Q2K => GgmlDType::Q2K,
        ElementType::Q3K => GgmlDType::Q3K,
        ElementType::Q4K => GgmlDType::Q4K,
        ElementType::Q5K => GgmlDType::Q5K,
        ElementType::Q6K => GgmlDType::Q6K,
        ElementType::Q8K => GgmlDType::Q8K,
        _ => return None,
    })
}
