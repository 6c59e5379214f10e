//! A product, divided into blocks of sums.

use super::kernel::{Group, MOST_SUMS, Method, Shape};
use super::panels::{Panel, Panels};
use super::tiles::Tiles;
use super::{STRIP, TILE};
use crate::candle::products::instructions::Instructions;
use crate::candle::products::team::{Shareable, Team};
use std::ops::Range;

/// Steps after which the sums of a block are put down, so that the weights of a strip stay in the
/// second-level cache while many rows pass by: 1,024 steps of `f32` are 256 KiB.
const LONG_STRIDE: usize = 1024;
/// The same for few rows, in bytes: their weights come from memory once and stay in the first-level
/// cache until all tiles of the strip are through.
const SHORT_STRIDE_BYTES: usize = 32 << 10;

/// The products of `x` with several matrices of as many inputs: one operation for the team.
/// `rows × inputs` to `rows × outputs` each.
pub(super) fn multiply<G: Group>(
    matrices: &[&Tiles<G>],
    instructions: Instructions,
    team: &Team,
    x: &[f32],
) -> Vec<Vec<f32>> {
    let inputs = matrices.first().map_or(0, |tiles| tiles.inputs());
    let rows = x.len() / inputs.max(1);
    let mut products: Vec<Vec<f32>> = matrices
        .iter()
        .map(|tiles| Vec::with_capacity(rows * tiles.outputs()))
        .collect();
    let method: Method<G> = G::method(instructions);
    let Some(shape) = method.shape(rows).filter(|_| rows > 0) else {
        return products;
    };
    let panels = Panels::new(team, shape, method.form, x, inputs);
    let blocks: Vec<Blocks<'_, G>> = matrices
        .iter()
        .zip(&mut products)
        .map(|(tiles, product)| {
            assert_eq!(tiles.inputs(), inputs, "matrices of one input");
            Blocks {
                tiles,
                shape,
                panels: &panels,
                product: Shareable(product.as_mut_ptr()),
            }
        })
        .collect();
    // Few outputs and many rows: the rows are divided too.
    let strips: usize = matrices.iter().map(|tiles| tiles.count()).sum();
    let parts = (4 * team.members()).div_ceil(strips.max(1));
    let parts = parts.clamp(1, panels.count());
    let part = panels.count().div_ceil(parts);
    team.run(strips * parts, |task| {
        let mut strip = task / parts;
        let first = panels.count().min(task % parts * part);
        let panels = first..panels.count().min(first + part);
        for blocks in &blocks {
            if strip < blocks.tiles.count() {
                return blocks.multiply(strip, panels);
            }
            strip -= blocks.tiles.count();
        }
    });
    for (tiles, product) in matrices.iter().zip(&mut products) {
        #[expect(
            unsafe_code,
            reason = "zeros that are overwritten would cost a pass over memory"
        )]
        // SAFETY: as many were reserved, and the tasks wrote each sum: every strip of every matrix
        // with every panel was one task, or the team would have panicked.
        unsafe {
            product.set_len(rows * tiles.outputs());
        }
    }
    products
}

/// One matrix, its input and the place of its product.
struct Blocks<'a, G: Group> {
    tiles: &'a Tiles<G>,
    shape: &'static Shape<G>,
    panels: &'a Panels,
    /// Room for `rows × outputs`, not written yet.
    product: Shareable<f32>,
}

impl<G: Group> Blocks<'_, G> {
    /// Computes the sums of a strip for the rows of some panels.
    fn multiply(&self, strip: usize, panels: Range<usize>) {
        let groups = self.tiles.strip(strip);
        let mut sums = [[0.0; TILE]; MOST_SUMS];
        let stride = if self.panels.count() > 1 {
            LONG_STRIDE
        } else if self.shape.tiles < STRIP {
            (SHORT_STRIDE_BYTES / size_of::<[G; STRIP]>()).max(1)
        } else {
            groups.len().max(1)
        };
        for start in (0..groups.len()).step_by(stride) {
            let steps = start..groups.len().min(start + stride);
            for first in (0..STRIP).step_by(self.shape.tiles) {
                for index in panels.clone() {
                    let panel = self.panels.panel(index);
                    let sums = &mut sums[..panel.lanes * self.shape.tiles];
                    let tile = strip * STRIP + first;
                    if start == 0 {
                        sums.fill([0.0; TILE]);
                    } else {
                        self.read(tile, &panel, sums);
                    }
                    let (_, block) = self.shape.blocks[panel.block];
                    let x = panel.words(steps.clone());
                    #[expect(
                        unsafe_code,
                        reason = "calling code compiled for detected instructions"
                    )]
                    // SAFETY: `Group::method` gives kernels of the instruction set that it was asked
                    // for, and the processor was found to have that.
                    unsafe {
                        block(&groups[steps.clone()], first, x, sums);
                    }
                    self.write(tile, &panel, sums);
                }
            }
        }
    }

    /// Takes up the sums of a block, the first of them of tile `first`, where [`Self::write`] put
    /// them down.
    fn read(&self, first: usize, panel: &Panel<'_>, sums: &mut [[f32; TILE]]) {
        self.exchange(first, panel, sums, |sum, place| {
            #[expect(unsafe_code, reason = "tasks write interleaved columns")]
            // SAFETY: the place has room for the sum (`exchange`), it was written by this task
            // before, and no other has it.
            unsafe {
                place.copy_to_nonoverlapping(sum.as_mut_ptr(), sum.len());
            }
        });
    }

    /// Puts down the sums of a block.
    fn write(&self, first: usize, panel: &Panel<'_>, sums: &mut [[f32; TILE]]) {
        self.exchange(first, panel, sums, |sum, place| {
            #[expect(unsafe_code, reason = "tasks write interleaved columns")]
            // SAFETY: the place has room for the sum (`exchange`), and no other task has it.
            unsafe {
                place.copy_from_nonoverlapping(sum.as_ptr(), sum.len());
            }
        });
    }

    /// Calls `copy` with each sum of a block and its place in the product, which has room for it.
    /// Sums of rows and outputs that do not exist have no place.
    fn exchange(
        &self,
        first: usize,
        panel: &Panel<'_>,
        sums: &mut [[f32; TILE]],
        copy: impl Fn(&mut [f32], *mut f32),
    ) {
        let outputs = self.tiles.outputs();
        let starts = (first * TILE..outputs).step_by(TILE);
        for (row, sums) in panel
            .rows
            .clone()
            .zip(sums.chunks_exact_mut(self.shape.tiles))
        {
            for (start, sum) in starts.clone().zip(sums) {
                let width = TILE.min(outputs - start);
                let place = self.product.get().wrapping_add(row * outputs + start);
                copy(&mut sum[..width], place);
            }
        }
    }
}
