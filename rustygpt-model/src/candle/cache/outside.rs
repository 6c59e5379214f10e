//! Blocks of the cache as bytes, to be kept elsewhere.

use super::{Memory, PagedCache, Planes};
use crate::candle::products;
use crate::contract::BlockLayout;
use sha2::{Digest, Sha256};
use std::ops::Range;

impl PagedCache {
    /// How blocks look outside; `None` for a cache without blocks, whose values lie on a device.
    pub(crate) fn block_layout(&self) -> Option<BlockLayout> {
        if self.block_count == 0 {
            return None;
        }
        let Self {
            layers,
            shape,
            cache_type,
            ..
        } = self;
        let layers = layers.len();
        let version = env!("CARGO_PKG_VERSION");
        let kernels = products::kernels();
        let name = format!("{version} {kernels} {layers} {shape:?} {cache_type:?}");
        Some(BlockLayout {
            bytes: layers * shape.bytes(*cache_type),
            name: Sha256::digest(name).into(),
        })
    }

    /// Appends a block's keys and values of every layer; nothing for a block beyond the cache.
    pub(crate) fn read_block(&self, block: usize, bytes: &mut Vec<u8>) {
        if block >= self.block_count {
            return;
        }
        let runs = self.runs(block);
        for layer in &self.layers {
            match layer {
                Memory::F32(planes) => planes.append(&runs, bytes, f32::to_le_bytes),
                Memory::F16(planes) | Memory::Bf16(planes) => {
                    planes.append(&runs, bytes, u16::to_le_bytes);
                }
            }
        }
    }

    /// Fills a block with what [`Self::read_block`] gave; changes nothing if it cannot be that.
    pub(crate) fn write_block(&mut self, block: usize, bytes: &[u8]) {
        let size = self.layers.len() * self.shape.bytes(self.cache_type);
        if block >= self.block_count || size != bytes.len() {
            return;
        }
        let runs = self.runs(block);
        let parts = bytes.chunks_exact(self.shape.bytes(self.cache_type));
        for (layer, bytes) in self.layers.iter_mut().zip(parts) {
            match layer {
                Memory::F32(planes) => planes.fill(&runs, bytes, f32::from_le_bytes),
                Memory::F16(planes) | Memory::Bf16(planes) => {
                    planes.fill(&runs, bytes, u16::from_le_bytes);
                }
            }
        }
    }

    /// Where the planes have a block's keys and values: of all heads, one behind another.
    fn runs(&self, block: usize) -> [Range<usize>; 2] {
        [self.shape.key_run(), self.shape.value_run()].map(|run| {
            let run = run * self.shape.kv_heads;
            block * run..(block + 1) * run
        })
    }
}

impl<T: Copy> Planes<T> {
    fn append<const N: usize>(
        &self,
        [keys, values]: &[Range<usize>; 2],
        bytes: &mut Vec<u8>,
        narrow: impl Fn(T) -> [u8; N],
    ) {
        let numbers = self.keys[keys.clone()]
            .iter()
            .chain(&self.values[values.clone()]);
        let start = bytes.len();
        bytes.resize(start + N * (keys.len() + values.len()), 0);
        let (places, _) = bytes[start..].as_chunks_mut::<N>();
        for (place, number) in places.iter_mut().zip(numbers) {
            *place = narrow(*number);
        }
    }

    fn fill<const N: usize>(
        &mut self,
        [keys, values]: &[Range<usize>; 2],
        bytes: &[u8],
        widen: impl Fn([u8; N]) -> T,
    ) {
        let numbers = self.keys[keys.clone()]
            .iter_mut()
            .chain(&mut self.values[values.clone()]);
        let (places, _) = bytes.as_chunks::<N>();
        for (number, place) in numbers.zip(places) {
            *number = widen(*place);
        }
    }
}
