//! The half of a layer in which tokens attend to those before them.

use super::attention::Attention;
use super::batch::Batch;
use super::buffers::{LayerBuffers, grown};
use super::cache::PagedCache;
use super::decoder::{DecoderOptions, LayerOptions};
use super::load::{LoadError, Loader};
use super::norm::Norm;
use super::operations::{Input, Linear, Projections};
use super::rope::Rotation;
use candle_core::Result;

/// Queries, keys and values, attention over the cache, and what becomes of its result.
pub(super) struct SelfAttention {
    /// Which layer of the cache is its own.
    cache_layer: usize,
    queries_keys_values: Projections<3>,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    rope: Option<usize>,
    attention: Attention,
    output: Linear,
}

impl SelfAttention {
    /// Loads the attention of layer `index`, whose keys and values are layer `cache_layer` of the
    /// cache.
    pub(super) fn load(
        loader: &Loader<'_>,
        options: &DecoderOptions,
        index: usize,
        layer: LayerOptions,
        cache_layer: usize,
    ) -> std::result::Result<Self, LoadError> {
        let sizes = &loader.sizes;
        let (hidden, dimension) = (sizes.hidden, sizes.head_dimension);
        let (query_width, kv_width) = (sizes.heads * dimension, sizes.kv_heads * dimension);
        let name = |part: &str| format!("blk.{index}.{part}");
        // Norms of queries and keys are of each head, or of all of them together.
        let head_norm =
            |part: &str, width: usize| match loader.extent(&format!("{}.weight", name(part)), 0) {
                Ok(extent) if extent == width => loader.optional_norm(&name(part), width),
                _ => loader.optional_norm(&name(part), dimension),
            };
        Ok(Self {
            cache_layer,
            queries_keys_values: loader.projections(
                &name("attn_qkv"),
                [&name("attn_q"), &name("attn_k"), &name("attn_v")],
                [query_width, kv_width, kv_width],
                hidden,
            )?,
            query_norm: head_norm("attn_q_norm", query_width)?,
            key_norm: head_norm("attn_k_norm", kv_width)?,
            rope: layer.rope,
            attention: Attention {
                heads: sizes.heads,
                scale: options
                    .attention_scale
                    .unwrap_or_else(|| (dimension as f64).powf(-0.5)) as f32,
                window: layer.window,
                soft_cap: options.attention_soft_cap,
                sinks: loader.optional_vector(&name("attn_sinks.weight"), sizes.heads)?,
            },
            output: loader.linear(&name("attn_output"), hidden, query_width)?,
        })
    }

    /// From the normalised residual stream to what is added to it.
    pub(super) fn forward(
        &self,
        batch: &Batch,
        cache: &mut PagedCache,
        rotations: &[Rotation],
        x: Input<'_>,
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        let rows = batch.tokens();
        let shape = cache.shape();
        let kv_width = shape.kv_heads * shape.head_dimension;
        let query_width = self.attention.heads * shape.head_dimension;
        let queries = grown(&mut buffers.first, rows * query_width);
        let keys = grown(&mut buffers.keys, rows * kv_width);
        let values = grown(&mut buffers.values, rows * kv_width);
        (self.queries_keys_values).forward(x, [&mut *queries, &mut *keys, &mut *values])?;
        if let Some(norm) = &self.query_norm {
            norm.in_place(queries);
        }
        if let Some(norm) = &self.key_norm {
            norm.in_place(keys);
        }
        if let Some(rope) = self.rope {
            rotations[rope].apply(queries, shape.head_dimension);
            rotations[rope].apply(keys, shape.head_dimension);
        }
        cache.store(self.cache_layer, batch, keys, values);
        let attended = grown(&mut buffers.second, rows * query_width);
        cache.attend(self.cache_layer, &self.attention, batch, queries, attended);
        let phases = x.phases;
        self.output.forward(
            Input {
                values: attended,
                phases,
            },
            branch,
        )
    }
}
