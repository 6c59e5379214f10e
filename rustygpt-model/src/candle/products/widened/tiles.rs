//! How weights lie in memory.

use super::kernel::Group;
use super::{STRIP, TILE};
use crate::candle::products::buffer::Buffer;
use crate::candle::products::team::Team;
use std::io::{Error, ErrorKind, Result};

/// A matrix in strips of [`STRIP`] tiles of [`TILE`] outputs; a strip has, for each step along the
/// inputs, one group of each tile. What the last strip lacks of outputs, and the last step of
/// inputs, is zero.
#[derive(Debug)]
pub(crate) struct Tiles<G> {
    outputs: usize,
    inputs: usize,
    groups: Buffer<[G; STRIP]>,
}

impl<G: Group> Tiles<G> {
    /// Packs a row-major matrix, little-endian.
    pub(super) fn pack(team: &Team, bytes: &[u8], outputs: usize, inputs: usize) -> Result<Self> {
        let row = inputs.checked_mul(G::ELEMENT_BYTES);
        let Some(row) = row.filter(|row| row.checked_mul(outputs) == Some(bytes.len())) else {
            let shape = format!("{outputs} × {inputs} weights in {} bytes", bytes.len());
            return Err(Error::new(ErrorKind::InvalidInput, shape));
        };
        let steps = inputs.div_ceil(G::DEPTH);
        let mut groups = Buffer::zeros(outputs.div_ceil(STRIP * TILE) * steps)?;
        team.chunks_mut(groups.values_mut(), steps, |index, strip| {
            for tile in 0..STRIP {
                let first = outputs.min((index * STRIP + tile) * TILE);
                let last = outputs.min(first + TILE);
                let mut rows: [&[u8]; TILE] = [&[]; TILE];
                let sources = bytes[first * row..last * row].chunks_exact(row.max(1));
                for (place, source) in rows.iter_mut().zip(sources) {
                    *place = source;
                }
                G::transpose(&rows, tile, strip);
            }
        });
        Ok(Self {
            outputs,
            inputs,
            groups,
        })
    }

    /// Bytes that a matrix takes once it is packed.
    pub(super) fn packed_bytes(outputs: usize, inputs: usize) -> u64 {
        let strips = outputs.div_ceil(STRIP * TILE) as u64;
        let strip_bytes = inputs
            .div_ceil(G::DEPTH)
            .saturating_mul(size_of::<[G; STRIP]>());
        strips.saturating_mul(strip_bytes as u64)
    }

    /// Bytes of all strips.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.groups.values())
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Steps along the inputs.
    pub(super) fn steps(&self) -> usize {
        self.inputs.div_ceil(G::DEPTH)
    }

    /// Number of strips.
    pub(super) fn count(&self) -> usize {
        self.outputs.div_ceil(STRIP * TILE)
    }

    /// The groups of strip `index`.
    pub(super) fn strip(&self, index: usize) -> &[[G; STRIP]] {
        let steps = self.steps();
        &self.groups.values()[index * steps..(index + 1) * steps]
    }

    /// Row `index` as `f32`, `inputs` values.
    pub(super) fn row(&self, index: usize, values: &mut [f32]) {
        let (tile, output) = (index / TILE, index % TILE);
        let strip = self.strip(tile / STRIP);
        for (values, groups) in values.chunks_mut(G::DEPTH).zip(strip) {
            for (depth, value) in values.iter_mut().enumerate() {
                *value = groups[tile % STRIP].value(output, depth);
            }
        }
    }
}
