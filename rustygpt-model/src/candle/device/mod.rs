//! Where a model computes, and the standard decoder for devices other than the processor.
//!
//! On CUDA and Metal the decoder is written in Candle's own operations over tensors that stay on
//! the device; plans, paged blocks and families are the ones of the processor's path. The same
//! code runs on the processor as [`ComputeDevice::Reference`], which is how it is tested on
//! machines without an accelerator.

mod cache;
mod decoder;
mod turn;
mod weights;

pub(crate) use cache::CacheLayout;
pub(crate) use decoder::DeviceDecoder;

use candle_core::{Device, Result};

/// Where a model computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeDevice {
    /// The processor, by our own kernels.
    #[default]
    Processor,
    /// The processor, by the operations that accelerators use: slow, and a second opinion.
    Reference,
    /// An NVIDIA GPU by its number; needs the feature `cuda`.
    Cuda(usize),
    /// An Apple GPU by its number; needs the feature `metal`.
    Metal(usize),
}

impl ComputeDevice {
    /// The first accelerator this build and this machine have, else the processor.
    #[must_use]
    pub fn best() -> Self {
        if candle_core::utils::cuda_is_available() {
            Self::Cuda(0)
        } else if candle_core::utils::metal_is_available() {
            Self::Metal(0)
        } else {
            Self::Processor
        }
    }

    /// Whether a model's weights and cache take the machine's own memory.
    #[must_use]
    pub fn uses_main_memory(self) -> bool {
        matches!(self, Self::Processor | Self::Reference)
    }

    /// Opens the device. Fails where this build or this machine has none.
    pub(crate) fn open(self) -> Result<Device> {
        match self {
            Self::Processor | Self::Reference => Ok(Device::Cpu),
            Self::Cuda(number) => Device::new_cuda(number),
            Self::Metal(number) => Device::new_metal(number),
        }
    }
}

/// The device that a model is loaded onto, and the cache it gets there.
pub(crate) struct Placement {
    pub(crate) device: Device,
    pub(crate) cache: CacheLayout,
}
