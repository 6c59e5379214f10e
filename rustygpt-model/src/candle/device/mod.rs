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

    /// Checks that this build and this machine have the device.
    ///
    /// # Errors
    /// Says which is missing: the feature or the device.
    pub fn check(self) -> std::result::Result<(), DeviceError> {
        let (built, name) = match self {
            Self::Processor | Self::Reference => return Ok(()),
            Self::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
            Self::Metal(_) => (cfg!(feature = "metal"), "metal"),
        };
        if !built {
            return Err(DeviceError::NotBuilt(name));
        }
        match self.open() {
            Ok(_) => Ok(()),
            Err(source) => Err(DeviceError::NotFound {
                name,
                source: Box::new(source),
            }),
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

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The program was built without it.
    #[error(
        "this program was built without {0}; build it with `cargo build --release --features {0}`"
    )]
    NotBuilt(&'static str),
    /// The machine or its driver lacks it.
    #[error("no {name} device can be opened; check the driver, or use `--device cpu`")]
    NotFound {
        /// The kind of device.
        name: &'static str,
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The device that a model is loaded onto, and the cache it gets there.
pub(crate) struct Placement {
    pub(crate) device: Device,
    pub(crate) cache: CacheLayout,
}
