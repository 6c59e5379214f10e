//! One key/value head's walk over a range of blocks, for a tile of queries.

use super::partial::{NOTHING_SEEN, Partial};
use super::product::Product;
use super::{Attention, Scratch, at_least};
use crate::candle::cache::{BlockShape, Layer};
use crate::candle::vector::{Element, Kernel, Vector, WIDEST, exponential, hyperbolic_tangent};
use std::ops::Range;

/// The rows of one sequence whose queries walk over the cache together, for the query heads that
/// share one key/value head. A *lane* is one query head of one row.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) attention: &'a Attention,
    /// The sequence's blocks, in order of position.
    pub(super) blocks: &'a [usize],
    pub(super) kv_head: usize,
    /// Query heads that share the key/value head.
    pub(super) group: usize,
    /// First row in the batch.
    pub(super) first_row: usize,
    /// Position of the first row.
    pub(super) start: usize,
    /// Rows, of consecutive positions.
    pub(super) rows: usize,
}

impl Tile<'_> {
    /// Rows × group.
    pub(super) fn lanes(&self) -> usize {
        self.rows * self.group
    }

    /// The positions that a row sees.
    fn seen(&self, row: usize) -> Range<usize> {
        let end = self.start + row + 1;
        let window = self.attention.window.unwrap_or(end);
        end.saturating_sub(window)..end
    }

    /// The blocks that any row sees.
    pub(super) fn seen_blocks(&self, block_size: usize) -> Range<usize> {
        let end = self.seen(self.rows - 1).end;
        self.seen(0).start / block_size..end.div_ceil(block_size)
    }
}

/// What a walk reads and where it leaves its result. The generic parameter is what the cache is
/// made of.
pub(super) struct Walk<'a, 'b, E> {
    pub(super) tile: Tile<'a>,
    pub(super) shape: BlockShape,
    pub(super) layer: Layer<'a, E>,
    /// Which of the tile's blocks to walk over.
    pub(super) blocks: Range<usize>,
    /// Holds the tile's queries.
    pub(super) scratch: &'a mut Scratch,
    pub(super) partial: &'a mut Partial<'b>,
}

impl<E: Element> Kernel for Walk<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self) {
        self.partial.clear();
        for index in self.blocks.clone() {
            self.block::<V>(index);
        }
    }
}

impl<E: Element> Walk<'_, '_, E> {
    /// One step of the online softmax: scores, weights, and the weighted sum of values.
    #[inline(always)]
    fn block<V: Vector>(&mut self, index: usize) {
        let Self {
            tile,
            shape,
            layer,
            scratch,
            partial,
            ..
        } = self;
        let lanes = tile.lanes();
        let first = index * shape.block_size;
        let local = |seen: Range<usize>| {
            let clip = |position: usize| position.saturating_sub(first).min(shape.block_size);
            clip(seen.start)..clip(seen.end)
        };
        let stride = shape.key_stride();
        let keys = layer.keys(shape, tile.blocks[index], tile.kv_head);
        let scores = at_least(&mut scratch.scores, lanes * stride);
        if let Some(&next) = tile
            .blocks
            .get(index + 1)
            .filter(|_| index + 1 < self.blocks.end)
        {
            prefetch::<V, E>(layer.keys(shape, next, tile.kv_head));
            prefetch::<V, E>(layer.values(shape, next, tile.kv_head));
        }
        let product = Product {
            a: &scratch.queries,
            a_stride: shape.head_dimension,
            b: keys,
            b_stride: stride,
            c: scores,
            c_stride: stride,
            rows: lanes,
            depth: shape.head_dimension,
            width: stride,
            scales: None,
        };
        product.widened::<V>(&mut scratch.widened);

        let padded = lanes.next_multiple_of(WIDEST);
        let maxima = at_least(&mut scratch.maxima, padded);
        let shrinkage = at_least(&mut scratch.shrinkage, padded);
        for lane in 0..lanes {
            let scores = &mut scores[lane * stride..(lane + 1) * stride];
            if let Some(cap) = tile.attention.soft_cap {
                for chunk in scores.chunks_exact_mut(V::WIDTH) {
                    let capped = V::from_slice(chunk).multiply(V::splat(1.0 / cap));
                    hyperbolic_tangent(capped)
                        .multiply(V::splat(cap))
                        .to_slice(chunk);
                }
            }
            let seen = local(tile.seen(lane / tile.group));
            scores[..seen.start].fill(f32::NEG_INFINITY);
            scores[seen.end.max(seen.start)..].fill(f32::NEG_INFINITY);
            let mut largest = V::splat(NOTHING_SEEN);
            for chunk in scores.chunks_exact(V::WIDTH) {
                largest = largest.maximum(V::from_slice(chunk));
            }
            maxima[lane] = partial.maxima[lane].max(largest.largest());
        }
        for lane in (0..lanes).step_by(V::WIDTH) {
            let maximum = V::from_slice(&maxima[lane..]);
            let change = V::from_slice(&partial.maxima[lane..]).subtract(maximum);
            exponential(change).to_slice(&mut shrinkage[lane..]);
            maximum.to_slice(&mut partial.maxima[lane..]);
        }
        for lane in 0..lanes {
            let maximum = V::splat(partial.maxima[lane]);
            let shrinkage = V::splat(shrinkage[lane]);
            let sums = &mut partial.sums[lane * WIDEST..(lane + 1) * WIDEST];
            let mut sum = V::from_slice(sums).multiply(shrinkage);
            for chunk in scores[lane * stride..(lane + 1) * stride].chunks_exact_mut(V::WIDTH) {
                let weight = exponential(V::from_slice(chunk).subtract(maximum));
                weight.to_slice(chunk);
                sum = sum.add(weight);
            }
            sum.to_slice(sums);
        }

        // Only what some row sees is read: beyond may lie what another sequence has left.
        let seen = local(tile.seen(0)).start..local(tile.seen(tile.rows - 1)).end;
        let width = shape.value_stride();
        let values = layer.values(shape, tile.blocks[index], tile.kv_head);
        let values = &values[seen.start * width..seen.end * width];
        let product = Product {
            a: &scores[seen.start..],
            a_stride: stride,
            b: values,
            b_stride: width,
            c: &mut *partial.output,
            c_stride: width,
            rows: lanes,
            depth: seen.len(),
            width,
            scales: Some(shrinkage),
        };
        product.widened::<V>(&mut scratch.widened);
    }
}

/// Asks for memory that is read next.
#[inline(always)]
fn prefetch<V: Vector, E>(run: &[E]) {
    const LINE_BYTES: usize = 64;
    for line in run.chunks(LINE_BYTES / size_of::<E>()) {
        V::prefetch(line.as_ptr().cast());
    }
}
