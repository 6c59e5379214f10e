//! Quantised matrices of our own: packed once when a model is loaded, computed with as they are.

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod layout;
mod pack;
mod read;
mod scalar;

use super::buffer::Buffer;
use super::instructions::Instructions;
use super::team::{Shareable, team};
use crate::weights::ElementType;
pub(crate) use activations::Activations;
use activations::{MOST_ROWS, Panel};
use layout::{OUTPUTS, with_format};
use std::ops::Range;

/// Bytes of tiles that a thread computes with until all rows have passed: they and a panel of
/// activations fit into the second-level cache of every server processor.
const CACHED_BYTES: usize = 256 << 10;

/// A quantised matrix, `outputs × inputs`, laid out as [`layout`] pictures.
pub(crate) struct Packed {
    element_type: ElementType,
    outputs: usize,
    inputs: usize,
    tile_bytes: usize,
    tiles: Buffer<u8>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed")
            .field("element_type", &self.element_type)
            .field("outputs", &self.outputs)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

impl Packed {
    /// Packs the rows of a file; `None` if their type cannot be packed, or if `bytes` are not
    /// `outputs × inputs` weights.
    ///
    /// # Errors
    /// If there is no memory.
    pub(crate) fn pack(
        element_type: ElementType,
        bytes: &[u8],
        outputs: usize,
        inputs: usize,
    ) -> std::io::Result<Option<Self>> {
        let Some((layout, tile_bytes)) = tile_layout(element_type, inputs) else {
            return Ok(None);
        };
        if outputs == 0 {
            return Ok(None);
        }
        let row_bytes = inputs / layout.inputs() * element_type.block_bytes() as usize;
        if bytes.len() != outputs * row_bytes {
            return Ok(None);
        }
        let mut tiles = Buffer::zeros(outputs.div_ceil(OUTPUTS) * tile_bytes)?;
        team().chunks_mut(tiles.values_mut(), tile_bytes, |index, tile| {
            let rows = &bytes[index * OUTPUTS * row_bytes..];
            let rows = &rows[..rows.len().min(OUTPUTS * row_bytes)];
            with_format!(
                element_type,
                F => pack::pack_tile::<F>(rows, row_bytes, tile),
                else {}
            );
        });
        Ok(Some(Self {
            element_type,
            outputs,
            inputs,
            tile_bytes,
            tiles,
        }))
    }

    /// Bytes that a matrix takes once it is packed; `None` if its type cannot be.
    pub(crate) fn packed_bytes(
        element_type: ElementType,
        outputs: usize,
        inputs: usize,
    ) -> Option<u64> {
        let (_, tile_bytes) = tile_layout(element_type, inputs)?;
        let tiles = outputs.div_ceil(OUTPUTS) as u64;
        Some(tiles.saturating_mul(tile_bytes as u64))
    }

    /// Bytes of its tiles.
    pub(crate) fn bytes(&self) -> usize {
        self.tiles.values().len()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    fn tile_count(&self) -> usize {
        self.outputs.div_ceil(OUTPUTS)
    }

    fn tile(&self, index: usize) -> &[u8] {
        &self.tiles.values()[index * self.tile_bytes..(index + 1) * self.tile_bytes]
    }

    /// Dequantises one row, `inputs` values: exactly what the file's format defines.
    pub(crate) fn row(&self, index: usize, values: &mut [f32]) {
        let tile = self.tile(index / OUTPUTS);
        with_format!(
            self.element_type,
            F => scalar::dequantise::<F>(tile, index % OUTPUTS, values),
            else {}
        );
    }

    fn multiply_tile(
        &self,
        instructions: Instructions,
        tile: usize,
        panel: Panel<'_>,
        sums: &mut [[f32; OUTPUTS]; MOST_ROWS],
    ) {
        let tile = self.tile(tile);
        with_format!(
            self.element_type,
            F => multiply_tile::<F>(instructions, tile, panel, sums),
            else {}
        );
    }
}

/// The layout of a type and the bytes of a tile of `inputs`; `None` if they cannot be packed.
fn tile_layout(element_type: ElementType, inputs: usize) -> Option<(layout::Layout, usize)> {
    let layout = layout::layout(element_type)?;
    let is_whole = inputs > 0 && inputs.is_multiple_of(layout.inputs());
    let bytes = (inputs / layout.inputs()).checked_mul(layout.span_bytes())?;
    is_whole.then_some((layout, bytes))
}

fn multiply_tile<F: layout::Format>(
    instructions: Instructions,
    tile: &[u8],
    panel: Panel<'_>,
    sums: &mut [[f32; OUTPUTS]; MOST_ROWS],
) {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "a kernel for instructions that were detected")]
        // SAFETY: the processor has AVX-512 with VNNI: nothing else makes this value.
        Instructions::Avx512 => unsafe { avx512::multiply::<F>(tile, panel, sums) },
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "a kernel for instructions that were detected")]
        // SAFETY: the processor has AVX2, FMA and F16C: nothing else makes this value.
        Instructions::Avx2 => unsafe { avx2::multiply::<F>(tile, panel, sums) },
        _ => scalar::multiply::<F>(tile, panel, sums),
    }
}

/// The products of the same activations with several matrices, `rows × outputs` each.
///
/// A row's products do not depend, bit by bit, on the other rows, on the number of threads or on
/// the instructions of the processor.
pub(crate) fn multiply<const N: usize>(
    matrices: [&Packed; N],
    activations: &Activations,
    products: [&mut [f32]; N],
) {
    multiply_with(Instructions::best(), matrices, activations, products);
}

fn multiply_with<const N: usize>(
    instructions: Instructions,
    matrices: [&Packed; N],
    activations: &Activations,
    products: [&mut [f32]; N],
) {
    let mut parts = matrices.iter().zip(products);
    let products: [_; N] = std::array::from_fn(|_| {
        parts.next().map(|(matrix, product)| {
            assert_eq!(product.len(), activations.rows() * matrix.outputs);
            Product {
                matrix,
                values: Shareable(product.as_mut_ptr()),
            }
        })
    });
    let tiles = matrices.iter().map(|matrix| matrix.tile_count()).sum();
    team().run_ranges(tiles, 1, |range| {
        let mut first = 0;
        for product in products.iter().flatten() {
            let count = product.matrix.tile_count();
            let start = range.start.clamp(first, first + count) - first;
            let end = range.end.clamp(first, first + count) - first;
            product.compute(instructions, start..end, activations);
            first += count;
        }
    });
}

/// A matrix and where its product goes.
struct Product<'a> {
    matrix: &'a Packed,
    values: Shareable<f32>,
}

impl Product<'_> {
    /// Computes the outputs of some tiles for all rows. To be called once for each tile.
    fn compute(&self, instructions: Instructions, tiles: Range<usize>, activations: &Activations) {
        let outputs = self.matrix.outputs;
        let together = (CACHED_BYTES / self.matrix.tile_bytes).max(1);
        let mut sums = [[0.0; OUTPUTS]; MOST_ROWS];
        for first in tiles.clone().step_by(together) {
            let tiles = first..tiles.end.min(first + together);
            for panel in activations.panels() {
                for tile in tiles.clone() {
                    self.matrix
                        .multiply_tile(instructions, tile, panel, &mut sums);
                    let column = tile * OUTPUTS;
                    let width = OUTPUTS.min(outputs - column);
                    for (row, sums) in sums[..panel.rows].iter().enumerate() {
                        let at = (panel.first + row) * outputs + column;
                        #[expect(unsafe_code, reason = "columns of a row-major product")]
                        // SAFETY: the panel's rows are below `rows` and the columns below
                        // `outputs`, so the values lie within the product, of which
                        // `multiply_with` checked the length and holds the only reference; no
                        // other task writes the columns of this tile.
                        unsafe {
                            std::ptr::copy_nonoverlapping(
                                sums.as_ptr(),
                                self.values.get().add(at),
                                width,
                            );
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
