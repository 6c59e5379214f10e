//! The standard decoder: pre-norm attention with grouped queries, a gated feed-forward network,
//! and the options by which families differ. A family with another shape implements
//! [`LanguageFamily`] on its own.

use super::attention::Attention;
use super::batch::Batch;
use super::buffers::{Buffers, LayerBuffers, grown};
use super::cache::PagedCache;
use super::device::DeviceDecoder;
use super::elementwise::{self, Activation};
use super::families::LanguageFamily;
use super::feed_forward::FeedForward;
use super::load::{LoadError, Loader};
use super::norm::RmsNorm;
use super::operations::{Input, Linear, Matrix, Projections};
use super::rope::{Rope, RopeParameters, Rotation};
use candle_core::Result;

/// What a family says of its decoder, beyond the sizes in the file.
pub(crate) struct DecoderOptions {
    /// The gate's non-linearity.
    pub(crate) activation: Activation,
    /// Multiplies the embeddings.
    pub(crate) embedding_scale: Option<f64>,
    /// Multiplies attention scores; `None` is 1 / √head dimension.
    pub(crate) attention_scale: Option<f64>,
    /// Caps attention scores.
    pub(crate) attention_soft_cap: Option<f32>,
    /// Multiplies what each half of a layer adds to the residual stream.
    pub(crate) residual_scale: Option<f64>,
    /// Multiplies the logits.
    pub(crate) logit_scale: Option<f64>,
    /// Caps the logits.
    pub(crate) logit_soft_cap: Option<f32>,
    /// The rotary embeddings in use.
    pub(crate) ropes: Vec<RopeParameters>,
    /// Whether the halves of a layer read the residual stream normalised.
    pub(crate) normalises_input: bool,
    /// For each layer: its window of attention, and which of `ropes` it uses.
    pub(crate) layers: Vec<LayerOptions>,
}

impl DecoderOptions {
    /// The options of Llama and its kin: one rotary embedding, nothing scaled or capped.
    pub(crate) fn plain(rope: RopeParameters, layers: Vec<LayerOptions>) -> Self {
        Self {
            activation: Activation::Silu,
            embedding_scale: None,
            attention_scale: None,
            attention_soft_cap: None,
            residual_scale: None,
            logit_scale: None,
            logit_soft_cap: None,
            ropes: vec![rope],
            normalises_input: true,
            layers,
        }
    }
}

/// What a family says of one layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LayerOptions {
    /// Positions seen; `None` sees all.
    pub(crate) window: Option<usize>,
    /// Index into [`DecoderOptions::ropes`]; `None` knows no positions.
    pub(crate) rope: Option<usize>,
}

/// A loaded decoder.
pub(crate) struct Decoder {
    embeddings: Matrix,
    embedding_scale: Option<f32>,
    layers: Vec<Layer>,
    ropes: Vec<Rope>,
    output_norm: RmsNorm,
    output: Linear,
    logit_scale: Option<f32>,
    logit_soft_cap: Option<f32>,
    buffers: Buffers,
}

struct Layer {
    /// Which layer of the cache is its own.
    index: usize,
    attention_norm: Option<RmsNorm>,
    queries_keys_values: Projections<3>,
    query_norm: Option<RmsNorm>,
    key_norm: Option<RmsNorm>,
    rope: Option<usize>,
    attention: Attention,
    attention_output: Linear,
    post_attention_norm: Option<RmsNorm>,
    feed_forward_norm: Option<RmsNorm>,
    feed_forward: FeedForward,
    post_feed_forward_norm: Option<RmsNorm>,
    residual_scale: Option<f32>,
}

/// Loads a standard decoder to where the loader places it.
pub(crate) fn load(
    loader: &Loader<'_>,
    options: &DecoderOptions,
) -> std::result::Result<Box<dyn LanguageFamily>, LoadError> {
    Ok(match &loader.placement {
        None => Box::new(Decoder::load(loader, options)?),
        Some(placement) => Box::new(DeviceDecoder::load(loader, options, placement)?),
    })
}

impl Decoder {
    /// Loads the tensors of a standard decoder.
    fn load(loader: &Loader<'_>, options: &DecoderOptions) -> std::result::Result<Self, LoadError> {
        let sizes = &loader.sizes;
        let vocabulary = loader.vocabulary()?;
        let embeddings = loader.matrix("token_embd.weight", vocabulary, sizes.hidden)?;
        let output = if loader.has("output.weight") {
            loader.linear("output", vocabulary, sizes.hidden)?
        } else {
            // Tied: the embeddings serve as the last linear map.
            Linear {
                weights: embeddings.clone(),
                bias: None,
            }
        };
        let layers = options
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| Layer::load(loader, options, index, *layer))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let ropes = options
            .ropes
            .iter()
            .map(Rope::new)
            .collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(Self {
            embeddings,
            embedding_scale: options.embedding_scale.map(|scale| scale as f32),
            layers,
            ropes,
            output_norm: loader.norm("output_norm", sizes.hidden)?,
            output,
            logit_scale: options.logit_scale.map(|scale| scale as f32),
            logit_soft_cap: options.logit_soft_cap,
            buffers: Buffers::default(),
        })
    }
}

impl Layer {
    fn load(
        loader: &Loader<'_>,
        options: &DecoderOptions,
        index: usize,
        layer: LayerOptions,
    ) -> std::result::Result<Self, LoadError> {
        let sizes = &loader.sizes;
        let (hidden, dimension) = (sizes.hidden, sizes.head_dimension);
        let (query_width, kv_width) = (sizes.heads * dimension, sizes.kv_heads * dimension);
        let name = |part: &str| format!("blk.{index}.{part}");
        let input_norm = |part: &str| {
            let norm = || loader.norm(&name(part), hidden);
            options.normalises_input.then(norm).transpose()
        };
        // Norms of queries and keys are of each head, or of all of them together.
        let head_norm =
            |part: &str, width: usize| match loader.extent(&format!("{}.weight", name(part)), 0) {
                Ok(extent) if extent == width => loader.optional_norm(&name(part), width),
                _ => loader.optional_norm(&name(part), dimension),
            };
        Ok(Self {
            index,
            attention_norm: input_norm("attn_norm")?,
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
            },
            attention_output: loader.linear(&name("attn_output"), hidden, query_width)?,
            post_attention_norm: loader.optional_norm(&name("post_attention_norm"), hidden)?,
            feed_forward_norm: input_norm("ffn_norm")?,
            feed_forward: FeedForward::load(loader, index, options.activation)?,
            post_feed_forward_norm: loader.optional_norm(&name("post_ffw_norm"), hidden)?,
            residual_scale: options.residual_scale.map(|scale| scale as f32),
        })
    }
}

impl LanguageFamily for Decoder {
    fn vocabulary(&self) -> usize {
        self.output.weights.outputs()
    }

    fn long_text(&self) -> Option<usize> {
        self.ropes.iter().find_map(Rope::long_text)
    }

    fn logits(&mut self, batch: &Batch, cache: &mut PagedCache) -> Result<Vec<f32>> {
        let Self {
            layers, buffers, ..
        } = self;
        let hidden = self.output_norm.weights.len();
        let rows = batch.tokens();
        let rotations: Vec<_> = self.ropes.iter().map(|rope| rope.rotation(batch)).collect();
        let residual = grown(&mut buffers.residual, rows * hidden);
        let normed = grown(&mut buffers.normed, rows * hidden);
        let branch = grown(&mut buffers.branch, rows * hidden);
        self.embeddings.rows(&batch.ids, residual)?;
        if let Some(factor) = self.embedding_scale {
            elementwise::scale(residual, factor);
        }
        let phases = &batch.phases;
        for layer in layers.iter() {
            // What the layer before adds to the stream is added on the way into this one.
            let added = (layer.index > 0).then_some(&*branch);
            let values = enter(layer.attention_norm.as_ref(), residual, added, normed);
            let input = Input { values, phases };
            let rotation = layer.rope.map(|rope| &rotations[rope]);
            layer.attend(batch, cache, rotation, input, branch, &mut buffers.layer)?;
            let values = enter(
                layer.feed_forward_norm.as_ref(),
                residual,
                Some(branch),
                normed,
            );
            let input = Input { values, phases };
            layer
                .feed_forward
                .forward(input, branch, &mut buffers.layer)?;
            layer.leave(layer.post_feed_forward_norm.as_ref(), branch);
        }
        let wanted = batch.logit_rows.len();
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let normed = &mut normed[..wanted * hidden];
        for (normed, &row) in normed.chunks_exact_mut(hidden).zip(&batch.logit_rows) {
            let values = residual[row * hidden..].iter().zip(&branch[row * hidden..]);
            for (normed, (residual, branch)) in normed.iter_mut().zip(values) {
                *normed = residual + branch;
            }
        }
        self.output_norm.in_place(normed);
        let mut logits = vec![0.0; wanted * self.output.weights.outputs()];
        let phases = &batch.logit_phases;
        self.output.forward(
            Input {
                values: normed,
                phases,
            },
            &mut logits,
        )?;
        if let Some(factor) = self.logit_scale {
            elementwise::scale(&mut logits, factor);
        }
        if let Some(cap) = self.logit_soft_cap {
            elementwise::soft_cap(&mut logits, cap);
        }
        Ok(logits)
    }
}

impl Layer {
    /// Attention, from the normalised residual stream to what is added to it.
    fn attend(
        &self,
        batch: &Batch,
        cache: &mut PagedCache,
        rotation: Option<&Rotation>,
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
        if let Some(rotation) = rotation {
            rotation.apply(queries, shape.head_dimension);
            rotation.apply(keys, shape.head_dimension);
        }
        cache.store(self.index, batch, keys, values);
        let attended = grown(&mut buffers.second, rows * query_width);
        cache.attend(self.index, &self.attention, batch, queries, attended);
        let phases = x.phases;
        self.attention_output.forward(
            Input {
                values: attended,
                phases,
            },
            branch,
        )?;
        self.leave(self.post_attention_norm.as_ref(), branch);
        Ok(())
    }

    /// What half a layer computed becomes what is added to the residual stream.
    fn leave(&self, norm: Option<&RmsNorm>, branch: &mut [f32]) {
        if let Some(norm) = norm {
            norm.in_place(branch);
        }
        if let Some(factor) = self.residual_scale {
            elementwise::scale(branch, factor);
        }
    }
}

/// Adds a branch to the residual stream and returns what half a layer reads: the stream
/// normalised into `normed`, or as it is.
fn enter<'a>(
    norm: Option<&RmsNorm>,
    residual: &'a mut [f32],
    branch: Option<&[f32]>,
    normed: &'a mut [f32],
) -> &'a [f32] {
    match (norm, branch) {
        (Some(norm), Some(branch)) => norm.add_and_normalise(residual, branch, normed),
        (Some(norm), None) => norm.forward(residual, normed),
        (None, Some(branch)) => elementwise::add(residual, branch),
        (None, None) => {}
    }
    match norm {
        Some(_) => normed,
        None => residual,
    }
}
