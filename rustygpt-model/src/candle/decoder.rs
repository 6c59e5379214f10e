//! The standard decoder: pre-norm attention with grouped queries, a gated feed-forward network,
//! and the options by which families differ. A family with another shape implements
//! [`LanguageFamily`] on its own.

use super::batch::Batch;
use super::cache::{Attention, PagedCache};
use super::families::LanguageFamily;
use super::load::{LoadError, Loader};
use super::operations::{Activation, Linear, Matrix, Projections, RmsNorm, soft_cap};
use super::rope::{Rope, RopeParameters};
use candle_core::{Device, Result, Tensor};

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
    embedding_scale: Option<f64>,
    layers: Vec<Layer>,
    ropes: Vec<Rope>,
    output_norm: RmsNorm,
    output: Linear,
    logit_soft_cap: Option<f32>,
    head_dimension: usize,
    activation: Activation,
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
            embedding_scale: options.embedding_scale,
            layers,
            ropes,
            output_norm: loader.norm("output_norm", sizes.hidden)?,
            output,
            logit_soft_cap: options.logit_soft_cap,
            head_dimension: sizes.head_dimension,
            activation: options.activation,
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
            post_feed_forward_norm: loader.optional_norm(&name("post_ffw_norm"), hidden)?,
        })
    }
}

impl LanguageFamily for Decoder {
    fn vocabulary(&self) -> usize {
        self.output.weights.outputs()
    }

    fn logits(&mut self, batch: &Batch, cache: &mut PagedCache) -> Result<Option<Tensor>> {
        let ids = Tensor::from_slice(&batch.ids, batch.ids.len(), &Device::Cpu)?;
        let mut x = self.embeddings.rows(&ids)?;
        if let Some(scale) = self.embedding_scale {
            x = (x * scale)?;
        }
        let rotations: Vec<_> = self.ropes.iter().map(|rope| rope.rotation(batch)).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = layer.attention_norm.forward(&x)?;
            let [mut queries, mut keys, values] = layer.queries_keys_values.forward(&normed)?;
            if let Some(norm) = &layer.query_norm {
                queries = norm.forward(&queries)?;
            }
            if let Some(norm) = &layer.key_norm {
                keys = norm.forward(&keys)?;
            }
            let rotation = &rotations[layer.rope];
            let queries = rotation.apply(&queries, self.head_dimension)?;
            let keys = rotation.apply(&keys, self.head_dimension)?;
            let attended =
                cache.attend(index, &layer.attention, batch, &queries, &keys, &values)?;
            let mut attended = layer.attention_output.forward(&attended)?;
            if let Some(norm) = &layer.post_attention_norm {
                attended = norm.forward(&attended)?;
            }
            x = (x + attended)?;

            let normed = layer.feed_forward_norm.forward(&x)?;
            let [gate, up] = layer.gate_up.forward(&normed)?;
            let mut fed = layer.down.forward(&self.activation.gated(&gate, &up)?)?;
            if let Some(norm) = &layer.post_feed_forward_norm {
                fed = norm.forward(&fed)?;
            }
            x = (x + fed)?;
        }
        if batch.logit_rows.is_empty() {
            return Ok(None);
        }
        let rows = Tensor::from_slice(&batch.logit_rows, batch.logit_rows.len(), &Device::Cpu)?;
        let last = self.output_norm.forward(&x.index_select(&rows, 0)?)?;
        let logits = self.output.forward(&last)?;
        match self.logit_soft_cap {
            Some(cap) => Ok(Some(soft_cap(&logits, cap)?)),
            None => Ok(Some(logits)),
        }
    }
}
