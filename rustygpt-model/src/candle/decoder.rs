//! The standard decoder: pre-norm attention with grouped queries, a gated feed-forward network,
//! and the options by which families differ. A family with another shape implements
//! [`LanguageFamily`] on its own.

use super::attention::Attention;
use super::batch::Batch;
use super::cache::PagedCache;
use super::elementwise::{self, Activation};
use super::families::LanguageFamily;
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
    /// Caps the logits.
    pub(crate) logit_soft_cap: Option<f32>,
    /// The rotary embeddings in use.
    pub(crate) ropes: Vec<RopeParameters>,
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
            logit_soft_cap: None,
            ropes: vec![rope],
            layers,
        }
    }
}

/// What a family says of one layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LayerOptions {
    /// Positions seen; `None` sees all.
    pub(crate) window: Option<usize>,
    /// Index into [`DecoderOptions::ropes`].
    pub(crate) rope: usize,
}

/// A loaded decoder.
pub(crate) struct Decoder {
    embeddings: Matrix,
    embedding_scale: Option<f32>,
    layers: Vec<Layer>,
    ropes: Vec<Rope>,
    output_norm: RmsNorm,
    output: Linear,
    logit_soft_cap: Option<f32>,
    activation: Activation,
    buffers: Buffers,
}

/// Memory of a step, kept from one step to the next: fresh memory costs more than what is computed
/// in it.
#[derive(Default)]
struct Buffers {
    /// The residual stream.
    residual: Vec<f32>,
    /// Its normalisation.
    normed: Vec<f32>,
    /// What a layer's half adds to it.
    branch: Vec<f32>,
    layer: LayerBuffers,
}

/// Memory of half a layer.
#[derive(Default)]
struct LayerBuffers {
    /// Queries; the gate.
    first: Vec<f32>,
    /// What attention gives; what goes through the gate.
    second: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// The first `length` numbers of memory that grows as needed.
fn grown(memory: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if memory.len() < length {
        memory.resize(length, 0.0);
    }
    &mut memory[..length]
}

struct Layer {
    attention_norm: RmsNorm,
    queries_keys_values: Projections<3>,
    query_norm: Option<RmsNorm>,
    key_norm: Option<RmsNorm>,
    rope: usize,
    attention: Attention,
    attention_output: Linear,
    post_attention_norm: Option<RmsNorm>,
    feed_forward_norm: RmsNorm,
    gate_up: Projections<2>,
    down: Linear,
    feed_forward_width: usize,
    post_feed_forward_norm: Option<RmsNorm>,
}

impl Decoder {
    /// Loads the tensors of a standard decoder.
    pub(crate) fn load(
        loader: &Loader<'_>,
        options: &DecoderOptions,
    ) -> std::result::Result<Self, LoadError> {
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
            logit_soft_cap: options.logit_soft_cap,
            activation: options.activation,
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
        let feed_forward = loader.extent(&name("ffn_down.weight"), 1)?;
        Ok(Self {
            attention_norm: loader.norm(&name("attn_norm"), hidden)?,
            queries_keys_values: loader.projections(
                &name("attn_qkv"),
                [&name("attn_q"), &name("attn_k"), &name("attn_v")],
                [query_width, kv_width, kv_width],
                hidden,
            )?,
            query_norm: loader.optional_norm(&name("attn_q_norm"), dimension)?,
            key_norm: loader.optional_norm(&name("attn_k_norm"), dimension)?,
            rope: layer.rope,
            attention: Attention {
                heads: sizes.heads,
                scale: options
                    .attention_scale
                    .unwrap_or_else(|| (dimension as f64).powf(-0.5)) as f32,
                window: layer.window,
                soft_cap: None,
            },
            attention_output: loader.linear(&name("attn_output"), hidden, query_width)?,
            post_attention_norm: loader.optional_norm(&name("post_attention_norm"), hidden)?,
            feed_forward_norm: loader.norm(&name("ffn_norm"), hidden)?,
            // Phi-3's files keep gate and up stacked, in GGUF under the name of `up`.
            gate_up: loader.projections(
                &name(if loader.is_huggingface() {
                    "ffn_gate_up"
                } else {
                    "ffn_up"
                }),
                [&name("ffn_gate"), &name("ffn_up")],
                [feed_forward, feed_forward],
                hidden,
            )?,
            down: loader.linear(&name("ffn_down"), hidden, feed_forward)?,
            feed_forward_width: feed_forward,
            post_feed_forward_norm: loader.optional_norm(&name("post_ffw_norm"), hidden)?,
        })
    }
}

impl LanguageFamily for Decoder {
    fn vocabulary(&self) -> usize {
        self.output.weights.outputs()
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
        for (index, layer) in layers.iter().enumerate() {
            match index {
                0 => layer.attention_norm.forward(residual, normed),
                // The branch of the layer before is added on the way.
                _ => (layer.attention_norm).add_and_normalise(residual, branch, normed),
            }
            layer.attend(
                index,
                batch,
                cache,
                &rotations[layer.rope],
                normed,
                branch,
                &mut buffers.layer,
            )?;
            (layer.feed_forward_norm).add_and_normalise(residual, branch, normed);
            layer.feed_forward(batch, self.activation, normed, branch, &mut buffers.layer)?;
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
        index: usize,
        batch: &Batch,
        cache: &mut PagedCache,
        rotation: &Rotation,
        normed: &[f32],
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        let rows = batch.tokens();
        let phases = &batch.phases;
        let shape = cache.shape();
        let kv_width = shape.kv_heads * shape.head_dimension;
        let query_width = self.attention.heads * shape.head_dimension;
        let queries = grown(&mut buffers.first, rows * query_width);
        let keys = grown(&mut buffers.keys, rows * kv_width);
        let values = grown(&mut buffers.values, rows * kv_width);
        let input = Input {
            values: normed,
            phases,
        };
        (self.queries_keys_values).forward(input, [&mut *queries, &mut *keys, &mut *values])?;
        if let Some(norm) = &self.query_norm {
            norm.in_place(queries);
        }
        if let Some(norm) = &self.key_norm {
            norm.in_place(keys);
        }
        rotation.apply(queries, shape.head_dimension);
        rotation.apply(keys, shape.head_dimension);
        cache.store(index, batch, keys, values);
        let attended = grown(&mut buffers.second, rows * query_width);
        cache.attend(index, &self.attention, batch, queries, attended);
        let input = Input {
            values: attended,
            phases,
        };
        self.attention_output.forward(input, branch)?;
        if let Some(norm) = &self.post_attention_norm {
            norm.in_place(branch);
        }
        Ok(())
    }

    /// The feed-forward network, likewise.
    fn feed_forward(
        &self,
        batch: &Batch,
        activation: Activation,
        normed: &[f32],
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        let length = batch.tokens() * self.feed_forward_width;
        let phases = &batch.phases;
        let gate = grown(&mut buffers.first, length);
        let up = grown(&mut buffers.second, length);
        let input = Input {
            values: normed,
            phases,
        };
        self.gate_up.forward(input, [&mut *gate, &mut *up])?;
        activation.gate(gate, up);
        self.down.forward(
            Input {
                values: gate,
                phases,
            },
            branch,
        )?;
        if let Some(norm) = &self.post_feed_forward_norm {
            norm.in_place(branch);
        }
        Ok(())
    }
}
