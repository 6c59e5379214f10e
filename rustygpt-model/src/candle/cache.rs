//! The memory of the paged key/value cache.

#![expect(
    unsafe_code,
    reason = "tasks write parts of a buffer that do not lie together"
)]

use super::batch::Batch;
use super::products::team;
use super::shared::Shared;
use super::vector::{Element, WIDEST};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

mod outside;

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

/// Keys and values of one layer. A head's share of a block is one run of memory.
#[derive(Debug)]
struct Planes<T> {
    keys: Vec<T>,
    values: Vec<T>,
}

/// Halves are kept as their bits: the standard library asks the operating system for pages of
/// zeros only for its own number types, and a cache must not cost memory before it is filled.
#[derive(Debug)]
enum Memory {
    F32(Planes<f32>),
    F16(Planes<u16>),
    Bf16(Planes<u16>),
}

impl Memory {
    fn new(cache_type: CacheType, keys: usize, values: usize) -> Self {
        let halves = || Planes {
            keys: vec![0; keys],
            values: vec![0; values],
        };
        match cache_type {
            CacheType::F32 => Self::F32(Planes {
                keys: vec![0.0; keys],
                values: vec![0.0; values],
            }),
            CacheType::F16 => Self::F16(halves()),
            CacheType::Bf16 => Self::Bf16(halves()),
        }
    }
}

/// Sizes of a block. Keys of a head lie as `element × position`, so that a vector holds the same
/// element of several keys and scores need no sums across a vector; values lie as `position ×
/// element`. Rows are padded to whole vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockShape {
    /// Positions.
    pub(crate) block_size: usize,
    /// Key/value heads.
    pub(crate) kv_heads: usize,
    /// Elements of a head.
    pub(crate) head_dimension: usize,
}

impl BlockShape {
    /// From one element of the keys to the next.
    pub(crate) fn key_stride(&self) -> usize {
        self.block_size.next_multiple_of(WIDEST)
    }

    /// From one position of the values to the next.
    pub(crate) fn value_stride(&self) -> usize {
        self.head_dimension.next_multiple_of(WIDEST)
    }

    /// Elements of one head's keys.
    fn key_run(&self) -> usize {
        self.head_dimension * self.key_stride()
    }

    /// Elements of one head's values.
    fn value_run(&self) -> usize {
        self.block_size * self.value_stride()
    }

    /// Bytes of a block, keys and values of one layer.
    pub(crate) fn bytes(&self, cache_type: CacheType) -> usize {
        self.kv_heads * (self.key_run() + self.value_run()) * cache_type.bytes()
    }
}

/// A layer's planes.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a, E> {
    keys: &'a [E],
    values: &'a [E],
}

impl<'a, E> Layer<'a, E> {
    /// One head's keys of a block, `head dimension × key stride`.
    #[inline(always)]
    pub(crate) fn keys(&self, shape: &BlockShape, block: usize, head: usize) -> &'a [E] {
        let run = shape.key_run();
        &self.keys[(block * shape.kv_heads + head) * run..][..run]
    }

    /// One head's values of a block, `block size × value stride`.
    #[inline(always)]
    pub(crate) fn values(&self, shape: &BlockShape, block: usize, head: usize) -> &'a [E] {
        let run = shape.value_run();
        &self.values[(block * shape.kv_heads + head) * run..][..run]
    }
}

/// Keys and values of every layer, in blocks.
#[derive(Debug)]
pub(crate) struct PagedCache {
    layers: Vec<Memory>,
    shape: BlockShape,
    block_count: usize,
    cache_type: CacheType,
}

impl PagedCache {
    /// Reserves the cache. The operating system commits its pages as they are first written. One
    /// layer serves a whole model whose texts are all read in a single step each.
    pub(crate) fn new(
        layers: usize,
        shape: BlockShape,
        block_count: usize,
        cache_type: CacheType,
    ) -> Self {
        let heads = block_count * shape.kv_heads;
        let memory = || {
            Memory::new(
                cache_type,
                heads * shape.key_run(),
                heads * shape.value_run(),
            )
        };
        Self {
            layers: (0..layers).map(|_| memory()).collect(),
            shape,
            block_count,
            cache_type,
        }
    }

    fn index(&self, layer: usize) -> usize {
        match self.layers.len() {
            1 => 0,
            _ => layer,
        }
    }

    /// The sizes of a block.
    pub(crate) fn shape(&self) -> BlockShape {
        self.shape
    }

    /// Stores the step's keys and values, `tokens × (kv heads · head dimension)` each.
    pub(crate) fn store(&mut self, layer: usize, batch: &Batch, keys: &[f32], values: &[f32]) {
        let rows = Rows {
            shape: self.shape,
            slots: &batch.slots,
            keys,
            values,
        };
        let index = self.index(layer);
        match &mut self.layers[index] {
            Memory::F32(planes) => rows.store(planes, |from, to| to.copy_from_slice(from)),
            Memory::F16(planes) => rows.store(planes, |from, to| {
                to.reinterpret_cast_mut::<f16>()
                    .convert_from_f32_slice(from);
            }),
            Memory::Bf16(planes) => rows.store(planes, |from, to| {
                to.reinterpret_cast_mut::<bf16>()
                    .convert_from_f32_slice(from);
            }),
        }
    }

    /// Calls `work` with a layer as what it is made of.
    pub(super) fn with_layer(&self, layer: usize, work: impl OverLayer) {
        match &self.layers[self.index(layer)] {
            Memory::F32(planes) => work.run(Layer {
                keys: &planes.keys,
                values: &planes.values,
            }),
            Memory::F16(planes) => work.run::<f16>(Layer {
                keys: planes.keys.reinterpret_cast(),
                values: planes.values.reinterpret_cast(),
            }),
            Memory::Bf16(planes) => work.run::<bf16>(Layer {
                keys: planes.keys.reinterpret_cast(),
                values: planes.values.reinterpret_cast(),
            }),
        }
    }
}

/// Work on a layer, whatever its elements are.
pub(super) trait OverLayer {
    fn run<E: Element>(self, layer: Layer<'_, E>);
}

/// A step's new keys and values, and where they go.
struct Rows<'a> {
    shape: BlockShape,
    slots: &'a [usize],
    keys: &'a [f32],
    values: &'a [f32],
}

/// Fewer rows are stored faster than a task is handed to another thread.
const MANY_ROWS: usize = 16;

impl Rows<'_> {
    fn store<T: Copy + Default + Send>(
        &self,
        planes: &mut Planes<T>,
        narrow: impl Fn(&[f32], &mut [T]) + Sync,
    ) {
        let heads = self.shape.kv_heads;
        let keys = Shared::new(&mut planes.keys);
        let values = Shared::new(&mut planes.values);
        let task = |index: usize| {
            let head = index / 2;
            if index.is_multiple_of(2) {
                self.store_keys(head, &keys, &narrow);
            } else {
                self.store_values(head, &values, &narrow);
            }
        };
        if self.slots.len() < MANY_ROWS {
            (0..2 * heads).for_each(task);
        } else {
            team().run(2 * heads, task);
        }
    }

    fn store_keys<T: Copy + Default>(
        &self,
        head: usize,
        plane: &Shared<'_, T>,
        narrow: impl Fn(&[f32], &mut [T]),
    ) {
        let shape = &self.shape;
        let (dimension, stride, run) = (shape.head_dimension, shape.key_stride(), shape.key_run());
        let mut narrowed = vec![T::default(); dimension];
        let rows = self.keys.chunks_exact(shape.kv_heads * dimension);
        for (row, &slot) in rows.zip(self.slots) {
            let (block, offset) = (slot / shape.block_size, slot % shape.block_size);
            narrow(&row[head * dimension..][..dimension], &mut narrowed);
            let first = (block * shape.kv_heads + head) * run;
            // SAFETY: a head has one task, and one of its runs is held at a time.
            let elements = unsafe { plane.part(first..first + run) };
            let places = elements[offset..].iter_mut().step_by(stride);
            for (place, value) in places.zip(&narrowed) {
                *place = *value;
            }
        }
    }

    fn store_values<T: Copy>(
        &self,
        head: usize,
        plane: &Shared<'_, T>,
        narrow: impl Fn(&[f32], &mut [T]),
    ) {
        let shape = &self.shape;
        let dimension = shape.head_dimension;
        let rows = self.values.chunks_exact(shape.kv_heads * dimension);
        for (row, &slot) in rows.zip(self.slots) {
            let (block, offset) = (slot / shape.block_size, slot % shape.block_size);
            let first =
                (block * shape.kv_heads + head) * shape.value_run() + offset * shape.value_stride();
            // SAFETY: as for keys.
            let place = unsafe { plane.part(first..first + dimension) };
            narrow(&row[head * dimension..][..dimension], place);
        }
    }
}
