//! The paged key/value cache on a device, and attention over it.

use crate::candle::CacheType;
use crate::candle::attention::Attention;
use crate::candle::batch::{Batch, Span};
use crate::candle::cache::BlockShape;
use candle_core::{D, DType, Device, Result, Tensor};

/// How large a cache is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheLayout {
    pub(crate) layers: usize,
    pub(crate) shape: BlockShape,
    pub(crate) block_count: usize,
    pub(crate) cache_type: CacheType,
}

impl CacheLayout {
    fn kv_width(&self) -> usize {
        self.shape.kv_heads * self.shape.head_dimension
    }
}

/// Keys and values of every layer: `slots × (kv heads · head dimension)` each, where a slot is
/// block × block size + offset.
pub(super) struct DeviceCache {
    layers: Vec<(Tensor, Tensor)>,
    layout: CacheLayout,
}

/// What one step needs of the cache's geometry, computed once for all layers.
pub(super) struct StepSlots {
    /// Where the step's own keys and values go, `tokens × kv width`.
    written: Tensor,
    spans: Vec<SpanSlots>,
}

struct SpanSlots {
    first_row: usize,
    rows: usize,
    start: usize,
    /// Slots of all positions up to the last row's.
    slots: Tensor,
}

impl DeviceCache {
    /// Allocates the whole cache.
    pub(super) fn new(layout: CacheLayout, device: &Device) -> Result<Self> {
        let dtype = match layout.cache_type {
            CacheType::F32 => DType::F32,
            CacheType::F16 => DType::F16,
            CacheType::Bf16 => DType::BF16,
        };
        let shape = (
            layout.block_count * layout.shape.block_size,
            layout.kv_width(),
        );
        let layers = (0..layout.layers)
            .map(|_| {
                Ok((
                    Tensor::zeros(shape, dtype, device)?,
                    Tensor::zeros(shape, dtype, device)?,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Self { layers, layout })
    }

    /// Turns a batch's slots into tensors.
    pub(super) fn slots(&self, batch: &Batch, device: &Device) -> Result<StepSlots> {
        let written: Vec<u32> = batch.slots.iter().map(|&slot| slot as u32).collect();
        let tokens = written.len();
        let written = Tensor::from_vec(written, (tokens, 1), device)?
            .broadcast_as((tokens, self.layout.kv_width()))?
            .contiguous()?;
        let spans = batch
            .spans
            .iter()
            .map(|span| self.span_slots(span, device))
            .collect::<Result<_>>()?;
        Ok(StepSlots { written, spans })
    }

    fn span_slots(&self, span: &Span, device: &Device) -> Result<SpanSlots> {
        let block_size = self.layout.shape.block_size;
        let end = span.start + span.rows;
        let slots: Vec<u32> = (0..end)
            .map(|position| {
                (span.blocks[position / block_size] * block_size + position % block_size) as u32
            })
            .collect();
        Ok(SpanSlots {
            first_row: span.first_row,
            rows: span.rows,
            start: span.start,
            slots: Tensor::from_vec(slots, end, device)?,
        })
    }

    /// Stores the step's keys and values, `tokens × kv width` each, then lets every query attend
    /// to its own sequence up to and including its own position.
    pub(super) fn attend(
        &mut self,
        layer: usize,
        attention: &Attention,
        slots: &StepSlots,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<Tensor> {
        let (key_plane, value_plane) = &self.layers[layer];
        key_plane.scatter_set(&slots.written, &keys.to_dtype(key_plane.dtype())?, 0)?;
        value_plane.scatter_set(&slots.written, &values.to_dtype(value_plane.dtype())?, 0)?;
        let outputs = slots
            .spans
            .iter()
            .map(|span| {
                let queries = queries.narrow(0, span.first_row, span.rows)?;
                self.attend_span(attention, span, &queries, key_plane, value_plane)
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&outputs, 0)
    }

    fn attend_span(
        &self,
        attention: &Attention,
        span: &SpanSlots,
        queries: &Tensor,
        key_plane: &Tensor,
        value_plane: &Tensor,
    ) -> Result<Tensor> {
        let (kv_heads, dimension) = (self.layout.shape.kv_heads, self.layout.shape.head_dimension);
        let group = attention.heads / kv_heads;
        let (rows, end) = (span.rows, span.start + span.rows);
        // Nobody in this span sees further back than its first row does.
        let oldest = attention
            .window
            .map_or(0, |window| (span.start + 1).saturating_sub(window));
        let seen = end - oldest;
        let slots = span.slots.narrow(0, oldest, seen)?;
        let gather = |plane: &Tensor| {
            plane
                .index_select(&slots, 0)?
                .to_dtype(DType::F32)?
                .reshape((seen, kv_heads, dimension))?
                .transpose(0, 1)?
                .contiguous()
        };
        let (keys, values) = (gather(key_plane)?, gather(value_plane)?);
        // rows × (kv heads · group · dimension) → kv heads × (group · rows) × dimension: the
        // heads of a group share their keys without a copy of them.
        let queries = queries
            .reshape((rows, kv_heads, group, dimension))?
            .permute((1, 2, 0, 3))?
            .contiguous()?
            .reshape((kv_heads, group * rows, dimension))?;
        let mut scores = (queries.matmul(&keys.transpose(1, 2)?)? * f64::from(attention.scale))?;
        if let Some(cap) = attention.soft_cap {
            scores = soft_cap(&scores, cap)?;
        }
        let scores = if rows > 1 {
            let mask = mask(
                span.start,
                rows,
                oldest,
                end,
                attention.window,
                scores.device(),
            )?;
            scores
                .reshape((kv_heads, group, rows, seen))?
                .broadcast_add(&mask)?
                .reshape((kv_heads, group * rows, seen))?
        } else {
            scores
        };
        softmax(&scores)?
            .matmul(&values)?
            .reshape((kv_heads, group, rows, dimension))?
            .permute((2, 0, 1, 3))?
            .contiguous()?
            .reshape((rows, attention.heads * dimension))
    }
}

/// `rows × seen`: 0 where a row may look, −∞ where it may not.
fn mask(
    start: usize,
    rows: usize,
    oldest: usize,
    end: usize,
    window: Option<usize>,
    device: &Device,
) -> Result<Tensor> {
    let mut values = Vec::with_capacity(rows * (end - oldest));
    for position in start..start + rows {
        let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
        values.extend((oldest..end).map(|seen| {
            if seen >= first && seen <= position {
                0f32
            } else {
                f32::NEG_INFINITY
            }
        }));
    }
    Tensor::from_vec(values, (rows, end - oldest), device)
}

/// `cap · tanh(x / cap)`.
pub(super) fn soft_cap(x: &Tensor, cap: f32) -> Result<Tensor> {
    let cap = f64::from(cap);
    (x / cap)?.tanh()? * cap
}

/// Softmax over the last axis.
fn softmax(x: &Tensor) -> Result<Tensor> {
    let exponents = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    exponents.broadcast_div(&exponents.sum_keepdim(D::Minus1)?)
}
