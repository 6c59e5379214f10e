//! The paged key/value cache, and attention over it.

use super::batch::Batch;
use super::lanes;
use super::operations::with_values;
use candle_core::{Result, Tensor, bail};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use rayon::prelude::*;

/// Element type of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheType {
    /// Exact; twice the memory.
    F32,
    /// The usual choice.
    #[default]
    F16,
    /// Wider range, fewer digits.
    Bf16,
}

impl CacheType {
    /// Bytes per element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// One plane (keys or values) of one layer: `block × kv head × position in block × element`, so
/// that a head's share of a block is one run of memory.
///
/// Halves are kept as their bits: the standard library asks the operating system for pages of
/// zeros only for its own number types, and a cache must not cost memory before it is filled.
enum Plane {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Bf16(Vec<u16>),
}

impl Plane {
    fn new(cache_type: CacheType, elements: usize) -> Self {
        match cache_type {
            CacheType::F32 => Self::F32(vec![0.0; elements]),
            CacheType::F16 => Self::F16(vec![0; elements]),
            CacheType::Bf16 => Self::Bf16(vec![0; elements]),
        }
    }

    fn write(&mut self, start: usize, values: &[f32]) {
        let range = start..start + values.len();
        match self {
            Self::F32(plane) => plane[range].copy_from_slice(values),
            Self::F16(plane) => {
                plane[range]
                    .reinterpret_cast_mut::<f16>()
                    .convert_from_f32_slice(values);
            }
            Self::Bf16(plane) => {
                plane[range]
                    .reinterpret_cast_mut::<bf16>()
                    .convert_from_f32_slice(values);
            }
        }
    }

    /// A run of elements as `f32`; widened into `scratch` unless they already are.
    fn read<'a>(&'a self, start: usize, length: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        let range = start..start + length;
        let scratch = &mut scratch[..length];
        match self {
            Self::F32(plane) => return &plane[range],
            Self::F16(plane) => {
                plane[range]
                    .reinterpret_cast::<f16>()
                    .convert_to_f32_slice(scratch);
            }
            Self::Bf16(plane) => {
                plane[range]
                    .reinterpret_cast::<bf16>()
                    .convert_to_f32_slice(scratch);
            }
        }
        scratch
    }
}

/// Keys and values of every layer, in blocks of [`PagedCache::block_size`] positions.
pub(crate) struct PagedCache {
    layers: Vec<(Plane, Plane)>,
    block_size: usize,
    block_count: usize,
    kv_heads: usize,
    head_dimension: usize,
}

/// How a layer attends.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// Query heads.
    pub(crate) heads: usize,
    /// Multiplies the scores.
    pub(crate) scale: f32,
    /// Only this many latest positions are seen, the own one included; `None` sees all.
    pub(crate) window: Option<usize>,
}

/// Query tokens that walk over the cache together, so that each block is widened once for all.
const QUERY_CHUNK: usize = 16;

impl PagedCache {
    /// Reserves the cache. The operating system commits its pages as they are first written.
    pub(crate) fn new(
        layers: usize,
        kv_heads: usize,
        head_dimension: usize,
        block_size: usize,
        block_count: usize,
        cache_type: CacheType,
    ) -> Self {
        let elements = block_count * block_size * kv_heads * head_dimension;
        let plane = || Plane::new(cache_type, elements);
        let layers = (0..layers).map(|_| (plane(), plane())).collect();
        Self {
            layers,
            block_size,
            block_count,
            kv_heads,
            head_dimension,
        }
    }

    /// Positions per block.
    pub(crate) fn block_size(&self) -> usize {
        self.block_size
    }

    /// Blocks in the cache.
    pub(crate) fn block_count(&self) -> usize {
        self.block_count
    }

    fn run(&self, block: usize, kv_head: usize) -> usize {
        (block * self.kv_heads + kv_head) * self.block_size * self.head_dimension
    }

    /// Stores the step's keys and values, `tokens × (kv heads · head dimension)` each, then lets
    /// every query attend to its own sequence up to and including its own position.
    ///
    /// Softmax is computed online over the blocks (Milakov and Gimelshein, 2018; Dao et al.,
    /// "FlashAttention", 2022), so that no row of scores is ever whole in memory.
    pub(crate) fn attend(
        &mut self,
        layer: usize,
        attention: &Attention,
        batch: &Batch,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<Tensor> {
        let tokens = batch.tokens();
        let query_width = attention.heads * self.head_dimension;
        if queries.dims() != [tokens, query_width] {
            bail!(
                "queries {:?} for {tokens} tokens of {query_width}",
                queries.shape()
            )
        }
        self.store(layer, batch, keys, values)?;
        let mut output = vec![0f32; tokens * query_width];
        with_values(queries, |queries| {
            let group = attention.heads / self.kv_heads;
            let mut tasks = Vec::new();
            let mut rest = output.as_mut_slice();
            for span in &batch.spans {
                for first in (0..span.rows).step_by(QUERY_CHUNK) {
                    let rows = QUERY_CHUNK.min(span.rows - first);
                    let (chunk, tail) = rest.split_at_mut(rows * query_width);
                    rest = tail;
                    tasks.push((span, first, rows, chunk));
                }
            }
            // Each task owns whole rows of the output; its heads are split further below.
            tasks
                .into_par_iter()
                .for_each(|(span, first, rows, chunk)| {
                    let row = span.first_row + first;
                    let queries = &queries[row * query_width..(row + rows) * query_width];
                    let parts: Vec<Vec<f32>> = (0..self.kv_heads)
                        .into_par_iter()
                        .map(|kv_head| {
                            let mut walk = Walk {
                                cache: self,
                                layer,
                                attention,
                                block_table: &span.blocks,
                                kv_head,
                                group,
                                start: span.start + first,
                                rows,
                                queries,
                            };
                            lanes::dispatch(&mut walk)
                        })
                        .collect();
                    let head_run = group * self.head_dimension;
                    for (kv_head, part) in parts.iter().enumerate() {
                        for (row, part) in part.chunks_exact(head_run).enumerate() {
                            let start = row * query_width + kv_head * head_run;
                            chunk[start..start + head_run].copy_from_slice(part);
                        }
                    }
                });
        })?;
        Tensor::from_vec(output, (tokens, query_width), queries.device())
    }

    fn store(&mut self, layer: usize, batch: &Batch, keys: &Tensor, values: &Tensor) -> Result<()> {
        let (kv_heads, dimension, block_size) =
            (self.kv_heads, self.head_dimension, self.block_size);
        let width = kv_heads * dimension;
        for plane_is_key in [true, false] {
            let source = if plane_is_key { keys } else { values };
            if source.dims() != [batch.tokens(), width] {
                bail!("keys or values {:?} for width {width}", source.shape())
            }
            let planes = &mut self.layers[layer];
            let plane = if plane_is_key {
                &mut planes.0
            } else {
                &mut planes.1
            };
            with_values(source, |source| {
                for (row, &slot) in source.chunks_exact(width).zip(&batch.slots) {
                    let (block, offset) = (slot / block_size, slot % block_size);
                    for (kv_head, head) in row.chunks_exact(dimension).enumerate() {
                        let run = (block * kv_heads + kv_head) * block_size * dimension;
                        plane.write(run + offset * dimension, head);
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// One key/value head's walk over the cache for a chunk of queries.
struct Walk<'a> {
    cache: &'a PagedCache,
    layer: usize,
    attention: &'a Attention,
    block_table: &'a [usize],
    kv_head: usize,
    /// Query heads that share this key/value head.
    group: usize,
    /// Position of the first query.
    start: usize,
    /// Number of queries.
    rows: usize,
    /// `rows × (heads · head dimension)`.
    queries: &'a [f32],
}

impl lanes::Kernel for Walk<'_> {
    type Output = Vec<f32>;

    /// Returns `rows × (group · head dimension)`.
    #[inline(always)]
    fn run(&mut self) -> Vec<f32> {
        let cache = self.cache;
        let (dimension, block_size) = (cache.head_dimension, cache.block_size);
        let (keys, values) = &cache.layers[self.layer];
        let query_width = self.attention.heads * dimension;
        let lanes = self.rows * self.group;
        let mut output = vec![0f32; lanes * dimension];
        let mut maxima = vec![f32::NEG_INFINITY; lanes];
        let mut sums = vec![0f32; lanes];
        let mut scores = vec![0f32; block_size];
        let run_length = block_size * dimension;
        let mut key_scratch = vec![0f32; run_length];
        let mut value_scratch = vec![0f32; run_length];
        let end = self.start + self.rows;
        let oldest = self.window_start(self.start);
        for block_index in oldest / block_size..end.div_ceil(block_size) {
            let first = block_index * block_size;
            let filled = (end - first).min(block_size);
            let run = cache.run(self.block_table[block_index], self.kv_head);
            let block_keys = keys.read(run, filled * dimension, &mut key_scratch);
            let block_values = values.read(run, filled * dimension, &mut value_scratch);
            for row in 0..self.rows {
                let position = self.start + row;
                if position < first {
                    continue;
                }
                let low = self.window_start(position).saturating_sub(first);
                let high = (position + 1 - first).min(filled);
                if low >= high {
                    continue;
                }
                for head in 0..self.group {
                    let lane = row * self.group + head;
                    let offset = row * query_width + (self.kv_head * self.group + head) * dimension;
                    let query = &self.queries[offset..offset + dimension];
                    let mut maximum = maxima[lane];
                    for (score, key) in scores[low..high]
                        .iter_mut()
                        .zip(block_keys[low * dimension..].chunks_exact(dimension))
                    {
                        let value = lanes::dot(query, key) * self.attention.scale;
                        *score = value;
                        maximum = maximum.max(value);
                    }
                    let output = &mut output[lane * dimension..(lane + 1) * dimension];
                    if maximum > maxima[lane] {
                        let shrink = (maxima[lane] - maximum).exp();
                        output.iter_mut().for_each(|value| *value *= shrink);
                        sums[lane] *= shrink;
                        maxima[lane] = maximum;
                    }
                    for (score, value) in scores[low..high]
                        .iter()
                        .zip(block_values[low * dimension..].chunks_exact(dimension))
                    {
                        let weight = (score - maximum).exp();
                        sums[lane] += weight;
                        lanes::add_scaled(output, value, weight);
                    }
                }
            }
        }
        for (output, sum) in output.chunks_exact_mut(dimension).zip(&sums) {
            let inverse = 1.0 / sum;
            output.iter_mut().for_each(|value| *value *= inverse);
        }
        output
    }
}

impl Walk<'_> {
    #[inline(always)]
    fn window_start(&self, position: usize) -> usize {
        self.attention
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window))
    }
}
