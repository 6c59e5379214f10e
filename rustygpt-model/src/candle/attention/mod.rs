//! Attention over the paged cache, with an online softmax (Dao et al., "FlashAttention", 2022).
//!
//! What a row computes is a function of its position and of the cache alone: positions are cut
//! into ranges of [`RANGE`] at fixed places, each range is walked over block by block, and the
//! ranges' results are added in order. Which rows share a step, how a prompt is cut into chunks
//! and how many threads there are changes who computes a range, never its result.

#![expect(
    unsafe_code,
    reason = "tasks write parts of a buffer that do not lie together"
)]

mod partial;
mod product;
mod walk;

use super::batch::Batch;
use super::cache::{BlockShape, Layer, OverLayer, PagedCache};
use super::products::team;
use super::shared::Shared;
use super::vector::{Element, dispatch};
use partial::{Merge, Normalise, Partial};
use std::cell::RefCell;
use std::ops::Range;
use walk::{Tile, Walk};

/// Positions of a range: long enough that adding ranges up costs nothing, short enough that one
/// long sequence keeps many threads busy.
const RANGE: usize = 512;
/// Query heads × rows that walk over the cache together: each block is read and widened once for
/// all, and what they need fits into the memory next to the core.
const TILE_LANES: usize = 32;
/// The ranges of a sequence with no more rows than this are computed by different threads.
const FEW_ROWS: usize = 4;

/// How a layer attends.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// Query heads.
    pub(crate) heads: usize,
    /// Multiplies the scores.
    pub(crate) scale: f32,
    /// Only this many latest positions are seen, the own one included; `None` sees all.
    pub(crate) window: Option<usize>,
    /// Keeps scores within ± this by a hyperbolic tangent.
    pub(crate) soft_cap: Option<f32>,
    /// For each query head the score of a position that is always seen and has no value (Xiao et
    /// al., "Efficient streaming language models with attention sinks", 2023).
    pub(crate) sinks: Option<Vec<f32>>,
}

/// A thread's memory for what does not outlive a task.
#[derive(Debug, Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    widened: Vec<f32>,
    maxima: Vec<f32>,
    shrinkage: Vec<f32>,
    partials: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The first `length` elements of memory that grows as needed.
fn at_least(memory: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if memory.len() < length {
        memory.resize(length, 0.0);
    }
    &mut memory[..length]
}

impl PagedCache {
    /// Every query attends to its own sequence up to and including its own position; the step's
    /// keys and values are stored already. `queries` and `output` are `tokens × (heads · head
    /// dimension)`.
    pub(crate) fn attend(
        &self,
        layer: usize,
        attention: &Attention,
        batch: &Batch,
        queries: &[f32],
        output: &mut [f32],
    ) {
        let width = attention.heads * self.shape().head_dimension;
        assert_eq!(queries.len(), batch.tokens() * width);
        assert_eq!(output.len(), queries.len());
        self.with_layer(
            layer,
            Attend {
                shape: self.shape(),
                attention,
                batch,
                queries,
                output,
            },
        );
    }
}

struct Attend<'a> {
    shape: BlockShape,
    attention: &'a Attention,
    batch: &'a Batch,
    queries: &'a [f32],
    output: &'a mut [f32],
}

impl OverLayer for Attend<'_> {
    fn run<E: Element>(self, layer: Layer<'_, E>) {
        let step = Step {
            shape: self.shape,
            layer,
            queries: self.queries,
            query_width: self.attention.heads * self.shape.head_dimension,
            range_blocks: (RANGE / self.shape.block_size).max(1),
            output: Shared::new(self.output),
        };
        let group = self.attention.heads / self.shape.kv_heads;
        let tile_rows = (TILE_LANES / group).max(1);
        let mut whole = Vec::new();
        let mut parts = Vec::new();
        let mut parted = Vec::new();
        let mut length = 0;
        for kv_head in 0..self.shape.kv_heads {
            for span in &self.batch.spans {
                let tile = |first: usize, rows: usize| Tile {
                    attention: self.attention,
                    blocks: &span.blocks,
                    kv_head,
                    group,
                    first_row: span.first_row + first,
                    start: span.start + first,
                    rows,
                };
                if span.rows > FEW_ROWS {
                    // The last rows see most: who begins with them is not kept waiting by them.
                    let tiles = (0..span.rows).step_by(tile_rows).rev();
                    whole.extend(tiles.map(|first| tile(first, tile_rows.min(span.rows - first))));
                    continue;
                }
                let tile = tile(0, span.rows);
                let begin = length;
                for blocks in step.ranges(&tile) {
                    let end = length + step.partial_length(&tile);
                    parts.push((tile, blocks, length..end));
                    length = end;
                }
                parted.push((tile, begin..length));
            }
        }
        let mut memory = vec![0.0; length];
        let shared = Shared::new(&mut memory);
        team().run(whole.len() + parts.len(), |index| {
            SCRATCH.with_borrow_mut(|scratch| match whole.get(index) {
                Some(tile) => step.whole(tile, scratch),
                None => {
                    let (tile, blocks, place) = &parts[index - whole.len()];
                    // SAFETY: every part has its own place.
                    let memory = unsafe { shared.part(place.clone()) };
                    step.scale_queries(tile, scratch);
                    step.walk(
                        tile,
                        blocks.clone(),
                        scratch,
                        &mut step.partial(tile, memory),
                    );
                }
            });
        });
        for (tile, place) in parted {
            step.add_up(&tile, &mut memory[place]);
        }
    }
}

/// Attention of one step in one layer.
struct Step<'a, E> {
    shape: BlockShape,
    layer: Layer<'a, E>,
    queries: &'a [f32],
    query_width: usize,
    range_blocks: usize,
    output: Shared<'a, f32>,
}

impl<E: Element> Step<'_, E> {
    /// The blocks that a tile sees, cut at the ends of ranges.
    fn ranges(&self, tile: &Tile<'_>) -> impl Iterator<Item = Range<usize>> + use<E> {
        let length = self.range_blocks;
        let seen = tile.seen_blocks(self.shape.block_size);
        (seen.start / length..seen.end.div_ceil(length)).map(move |range| {
            (range * length).max(seen.start)..((range + 1) * length).min(seen.end)
        })
    }

    fn partial_length(&self, tile: &Tile<'_>) -> usize {
        Partial::length(tile.lanes(), self.shape.value_stride())
    }

    fn partial<'m>(&self, tile: &Tile<'_>, memory: &'m mut [f32]) -> Partial<'m> {
        Partial::new(memory, tile.lanes(), self.shape.value_stride())
    }

    /// Computes a tile, range by range.
    fn whole(&self, tile: &Tile<'_>, scratch: &mut Scratch) {
        let length = self.partial_length(tile);
        let mut memory = std::mem::take(&mut scratch.partials);
        let (total, part) = at_least(&mut memory, 2 * length).split_at_mut(length);
        let mut total = self.partial(tile, total);
        let mut part = self.partial(tile, part);
        total.clear();
        self.scale_queries(tile, scratch);
        for blocks in self.ranges(tile) {
            self.walk(tile, blocks, scratch, &mut part);
            dispatch(Merge {
                total: &mut total,
                part: &part,
            });
        }
        self.finish(tile, &mut total);
        scratch.partials = memory;
    }

    /// Copies a tile's queries, lane by lane, multiplied by the scale of the scores.
    fn scale_queries(&self, tile: &Tile<'_>, scratch: &mut Scratch) {
        let run = tile.group * self.shape.head_dimension;
        let scaled = at_least(&mut scratch.queries, tile.rows * run);
        for (row, scaled) in scaled.chunks_exact_mut(run).enumerate() {
            let first = (tile.first_row + row) * self.query_width + tile.kv_head * run;
            for (scaled, query) in scaled.iter_mut().zip(&self.queries[first..first + run]) {
                *scaled = query * tile.attention.scale;
            }
        }
    }

    fn walk(
        &self,
        tile: &Tile<'_>,
        blocks: Range<usize>,
        scratch: &mut Scratch,
        partial: &mut Partial<'_>,
    ) {
        dispatch(Walk {
            tile: *tile,
            shape: self.shape,
            layer: self.layer,
            blocks,
            scratch,
            partial,
        });
    }

    /// Adds up the parts of a tile, which lie one behind another.
    fn add_up(&self, tile: &Tile<'_>, parts: &mut [f32]) {
        let mut memory = vec![0.0; self.partial_length(tile)];
        let mut total = self.partial(tile, &mut memory);
        total.clear();
        for part in parts.chunks_exact_mut(self.partial_length(tile)) {
            let part = self.partial(tile, part);
            dispatch(Merge {
                total: &mut total,
                part: &part,
            });
        }
        self.finish(tile, &mut total);
    }

    /// Counts the sinks in, divides by the weights and writes the output.
    fn finish(&self, tile: &Tile<'_>, total: &mut Partial<'_>) {
        if let Some(sinks) = &tile.attention.sinks {
            for lane in 0..tile.lanes() {
                total.add_sink(lane, sinks[tile.kv_head * tile.group + lane % tile.group]);
            }
        }
        dispatch(Normalise { total });
        let (dimension, stride) = (self.shape.head_dimension, self.shape.value_stride());
        for (lane, head) in total.output.chunks_exact(stride).enumerate() {
            let (row, head_index) = (lane / tile.group, lane % tile.group);
            let first = (tile.first_row + row) * self.query_width
                + (tile.kv_head * tile.group + head_index) * dimension;
            // SAFETY: every head of every row belongs to one tile.
            let output = unsafe { self.output.part(first..first + dimension) };
            output.copy_from_slice(&head[..dimension]);
        }
    }
}

#[cfg(test)]
mod tests;
