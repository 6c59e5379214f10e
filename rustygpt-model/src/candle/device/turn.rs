//! Rotary position embedding on a device.

use crate::candle::rope::{RopeStyle, Rotation};
use candle_core::{Device, Result, Tensor};

/// A step's rotation on the device: cosines and sines, `tokens × 1 × pairs`.
pub(super) struct Turn {
    style: RopeStyle,
    cosines: Tensor,
    sines: Tensor,
    pairs: usize,
}

impl Turn {
    pub(super) fn new(rotation: &Rotation, device: &Device) -> Result<Self> {
        let (tokens, pairs) = (rotation.tokens, rotation.pairs);
        let table = |values: &[f32]| Tensor::from_slice(values, (tokens, 1, pairs), device);
        Ok(Self {
            style: rotation.style,
            cosines: table(&rotation.cosines)?,
            sines: table(&rotation.sines)?,
            pairs,
        })
    }

    /// Turns `x`, `tokens × (heads · head dimension)`.
    pub(super) fn apply(&self, x: &Tensor, head_dimension: usize) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let heads = width / head_dimension;
        let pairs = self.pairs;
        let x = x.reshape((tokens, heads, head_dimension))?;
        let turning = x.narrow(2, 0, 2 * pairs)?;
        let (a, b) = match self.style {
            RopeStyle::Halves => (
                turning.narrow(2, 0, pairs)?,
                turning.narrow(2, pairs, pairs)?,
            ),
            RopeStyle::Neighbours => {
                let split = turning.contiguous()?.reshape((tokens, heads, pairs, 2))?;
                (
                    split.narrow(3, 0, 1)?.squeeze(3)?,
                    split.narrow(3, 1, 1)?.squeeze(3)?,
                )
            }
        };
        let (cosines, sines) = (&self.cosines, &self.sines);
        let first = (a.broadcast_mul(cosines)? - b.broadcast_mul(sines)?)?;
        let second = (a.broadcast_mul(sines)? + b.broadcast_mul(cosines)?)?;
        let turned = match self.style {
            RopeStyle::Halves => Tensor::cat(&[&first, &second], 2)?,
            RopeStyle::Neighbours => {
                Tensor::stack(&[&first, &second], 3)?.reshape((tokens, heads, 2 * pairs))?
            }
        };
        let whole = if 2 * pairs == head_dimension {
            turned
        } else {
            let rest = x.narrow(2, 2 * pairs, head_dimension - 2 * pairs)?;
            Tensor::cat(&[&turned, &rest], 2)?
        };
        whole.reshape((tokens, width))
    }
}
