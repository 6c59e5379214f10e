//! The standard decoder in tensor operations: the twin of [`crate::candle::decoder`], which
//! computes the same by our own kernels.

use super::Placement;
use super::cache::{DeviceCache, soft_cap};
use super::turn::Turn;
use super::weights::{DeviceLinear, DeviceProjections};
use crate::candle::attention::Attention;
use crate::candle::batch::Batch;
use crate::candle::cache::PagedCache;
use crate::candle::decoder::{DecoderOptions, LayerOptions};
use crate::candle::elementwise::Activation;
use crate::candle::families::LanguageFamily;
use crate::candle::load::{LoadError, Loader};
use crate::candle::norm;
use crate::candle::operations::Matrix;
use crate::candle::rope::Rope;
use candle_core::{D, Device, Result, Tensor, bail};

/// A decoder whose layers and cache live on a device.
pub(crate) struct DeviceDecoder {
    device: Device,
    /// Stays in main memory: a step needs a few rows of it, and it is the largest matrix.
    embeddings: Matrix,
    embedding_scale: Option<f64>,
    layers: Vec<Layer>,
    ropes: Vec<Rope>,
    output_norm: Norm,
    output: DeviceLinear,
    logit_scale: Option<f64>,
    logit_soft_cap: Option<f32>,
    hidden: usize,
    head_dimension: usize,
    activation: Activation,
    residual_scale: Option<f64>,
    vocabulary: usize,
    cache: DeviceCache,
}

struct Layer {
    attention_norm: Option<Norm>,
    queries_keys_values: DeviceProjections<3>,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    rope: Option<usize>,
    attention: Attention,
    attention_output: DeviceLinear,
    post_attention_norm: Option<Norm>,
    feed_forward_norm: Option<Norm>,
    gate_up: DeviceProjections<2>,
    down: DeviceLinear,
    post_feed_forward_norm: Option<Norm>,
}

/// Root-mean-square normalisation, as [`norm::RmsNorm`].
struct Norm {
    weights: Tensor,
    epsilon: f64,
}

impl Norm {
    fn new(norm: &norm::Norm, device: &Device) -> std::result::Result<Self, LoadError> {
        let norm = norm.root_mean_square()?;
        Ok(Self {
            weights: Tensor::from_slice(&norm.weights, norm.weights.len(), device)?,
            epsilon: norm.epsilon,
        })
    }

    /// Normalises `x` where there is a norm.
    fn optional(norm: Option<&Self>, x: &Tensor) -> Result<Tensor> {
        match norm {
            Some(norm) => norm.forward(x),
            None => Ok(x.clone()),
        }
    }

    /// Normalises the last axis.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + self.epsilon)?.sqrt()?)?
            .broadcast_mul(&self.weights)
    }

    /// Normalises each head of each row.
    fn forward_heads(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let dimension = self.weights.dim(0)?;
        self.forward(&x.reshape((rows, width / dimension, dimension))?)?
            .reshape((rows, width))
    }
}

impl DeviceDecoder {
    /// Loads the tensors of a standard decoder onto a device.
    pub(crate) fn load(
        loader: &Loader<'_>,
        options: &DecoderOptions,
        placement: &Placement,
    ) -> std::result::Result<Self, LoadError> {
        let device = &placement.device;
        let sizes = &loader.sizes;
        let vocabulary = loader.vocabulary()?;
        let output = if loader.has("output.weight") {
            "output"
        } else {
            "token_embd"
        };
        let layers = options
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| Layer::load(loader, options, device, index, *layer))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let ropes = options
            .ropes
            .iter()
            .map(Rope::new)
            .collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(Self {
            device: device.clone(),
            embeddings: loader.matrix("token_embd.weight", vocabulary, sizes.hidden)?,
            embedding_scale: options.embedding_scale,
            layers,
            ropes,
            output_norm: Norm::new(&loader.norm("output_norm", sizes.hidden)?, device)?,
            output: DeviceLinear::load(loader, device, output, vocabulary, sizes.hidden)?,
            logit_scale: options.logit_scale,
            logit_soft_cap: options.logit_soft_cap,
            hidden: sizes.hidden,
            head_dimension: sizes.head_dimension,
            activation: options.activation,
            residual_scale: options.residual_scale,
            vocabulary,
            cache: DeviceCache::new(placement.cache, device)?,
        })
    }
}

impl Layer {
    fn load(
        loader: &Loader<'_>,
        options: &DecoderOptions,
        device: &Device,
        index: usize,
        layer: LayerOptions,
    ) -> std::result::Result<Self, LoadError> {
        let sizes = &loader.sizes;
        let (hidden, dimension) = (sizes.hidden, sizes.head_dimension);
        let (query_width, kv_width) = (sizes.heads * dimension, sizes.kv_heads * dimension);
        let name = |part: &str| format!("blk.{index}.{part}");
        let absent = [
            (layer.convolution.is_some(), "a short convolution"),
            (!options.has_gate, "a feed-forward network without a gate"),
            (
                loader.has(&name("ffn_gate_inp.weight")),
                "a network of experts",
            ),
            (loader.has(&name("attn_sinks.weight")), "an attention sink"),
        ];
        if let Some((_, what)) = absent.iter().find(|(is_there, _)| *is_there) {
            return Err(LoadError::not_on_accelerators(what));
        }
        let optional = |part: &str, width: usize| -> std::result::Result<_, LoadError> {
            let norm = loader.optional_norm(&name(part), width)?;
            norm.map(|norm| Norm::new(&norm, device)).transpose()
        };
        let input_norm = |part: &str| -> std::result::Result<_, LoadError> {
            if !options.normalises_input {
                return Ok(None);
            }
            let norm = loader.norm(&name(part), hidden)?;
            Ok::<_, LoadError>(Some(Norm::new(&norm, device)?))
        };
        // Norms of queries and keys are of each head, or of all of them together.
        let head_norm = |part: &str, width: usize| {
            let extent = loader.extent(&format!("{}.weight", name(part)), 0);
            optional(
                part,
                extent.map_or(
                    dimension,
                    |extent| if extent == width { width } else { dimension },
                ),
            )
        };
        let linear = |part: &str, outputs: usize, inputs: usize| {
            DeviceLinear::load(loader, device, &name(part), outputs, inputs)
        };
        let feed_forward = loader.extent(&name("ffn_down.weight"), 1)?;
        Ok(Self {
            attention_norm: input_norm("attn_norm")?,
            queries_keys_values: DeviceProjections::load(
                loader,
                device,
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
                sinks: None,
            },
            attention_output: linear("attn_output", hidden, query_width)?,
            post_attention_norm: optional("post_attention_norm", hidden)?,
            feed_forward_norm: input_norm("ffn_norm")?,
            gate_up: DeviceProjections::load(
                loader,
                device,
                &name(loader.stacked_gate_up()),
                [&name("ffn_gate"), &name("ffn_up")],
                [feed_forward, feed_forward],
                hidden,
            )?,
            down: linear("ffn_down", hidden, feed_forward)?,
            post_feed_forward_norm: optional("post_ffw_norm", hidden)?,
        })
    }
}

impl LanguageFamily for DeviceDecoder {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn long_text(&self) -> Option<usize> {
        self.ropes.iter().find_map(Rope::long_text)
    }

    fn hidden(&mut self, batch: &Batch, _: &mut PagedCache) -> Result<Vec<f32>> {
        match self.last_rows(batch)? {
            Some(rows) => rows.flatten_all()?.to_vec1(),
            None => Ok(Vec::new()),
        }
    }

    fn logits(&mut self, batch: &Batch, _: &mut PagedCache) -> Result<Vec<f32>> {
        let Some(last) = self.last_rows(batch)? else {
            return Ok(Vec::new());
        };
        let mut logits = self.output.forward(&last)?;
        if let Some(scale) = self.logit_scale {
            logits = (logits * scale)?;
        }
        if let Some(cap) = self.logit_soft_cap {
            logits = soft_cap(&logits, cap)?;
        }
        logits.flatten_all()?.to_vec1()
    }
}

impl DeviceDecoder {
    /// Computes a step up to what the head reads of the rows that want logits.
    fn last_rows(&mut self, batch: &Batch) -> Result<Option<Tensor>> {
        let mut embedded = vec![0.0; batch.tokens() * self.hidden];
        self.embeddings.rows(&batch.ids, &mut embedded)?;
        let mut x = Tensor::from_vec(embedded, (batch.tokens(), self.hidden), &self.device)?;
        if let Some(scale) = self.embedding_scale {
            x = (x * scale)?;
        }
        let turns = self
            .ropes
            .iter()
            .map(|rope| Turn::new(&rope.rotation(batch), &self.device))
            .collect::<Result<Vec<_>>>()?;
        let slots = self.cache.slots(batch, &self.device)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = Norm::optional(layer.attention_norm.as_ref(), &x)?;
            let [mut queries, mut keys, values] = layer.queries_keys_values.forward(&normed)?;
            if let Some(norm) = &layer.query_norm {
                queries = norm.forward_heads(&queries)?;
            }
            if let Some(norm) = &layer.key_norm {
                keys = norm.forward_heads(&keys)?;
            }
            if let Some(rope) = layer.rope {
                queries = turns[rope].apply(&queries, self.head_dimension)?;
                keys = turns[rope].apply(&keys, self.head_dimension)?;
            }
            let attended =
                self.cache
                    .attend(index, &layer.attention, &slots, &queries, &keys, &values)?;
            let attended = layer.attention_output.forward(&attended)?;
            x = self.leave(&x, &attended, layer.post_attention_norm.as_ref())?;

            let normed = Norm::optional(layer.feed_forward_norm.as_ref(), &x)?;
            let [gate, up] = layer.gate_up.forward(&normed)?;
            let gate = match self.activation {
                Activation::Silu => gate.silu()?,
                Activation::GeluTanh => gate.gelu()?,
                Activation::ClampedSwish { .. } => bail!("gpt-oss's gate on an accelerator"),
            };
            let fed = layer.down.forward(&(gate * up)?)?;
            x = self.leave(&x, &fed, layer.post_feed_forward_norm.as_ref())?;
        }
        if batch.logit_rows.is_empty() {
            return Ok(None);
        }
        let rows: Vec<u32> = batch.logit_rows.iter().map(|&row| row as u32).collect();
        let rows = Tensor::from_slice(&rows, rows.len(), &self.device)?;
        Ok(Some(self.output_norm.forward(&x.index_select(&rows, 0)?)?))
    }

    /// Adds what half a layer computed to the residual stream.
    fn leave(&self, x: &Tensor, branch: &Tensor, norm: Option<&Norm>) -> Result<Tensor> {
        let branch = Norm::optional(norm, branch)?;
        match self.residual_scale {
            Some(scale) => x + (branch * scale)?,
            None => x + branch,
        }
    }
}
