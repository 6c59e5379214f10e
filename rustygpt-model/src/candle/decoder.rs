//! The standard decoder: pre-norm attention with grouped queries (or a short convolution in its
//! place), a feed-forward network, and the options by which families differ. A family with another
//! shape implements [`LanguageFamily`] on its own.

use super::batch::Batch;
use super::buffers::{Buffers, LayerBuffers, grown};
use super::cache::PagedCache;
use super::convolution::ShortConvolution;
use super::device::DeviceDecoder;
use super::elementwise::{self, Activation};
use super::families::LanguageFamily;
use super::feed_forward::FeedForward;
use super::load::{LoadError, Loader};
use super::norm::Norm;
use super::operations::{Input, Linear, Matrix};
use super::rope::{Rope, RopeParameters, Rotation};
use super::self_attention::SelfAttention;
use candle_core::Result;

/// What a family says of its decoder, beyond the sizes in the file.
pub(crate) struct DecoderOptions {
    /// The non-linearity of feed-forward networks.
    pub(crate) activation: Activation,
    /// Whether feed-forward networks have a gate.
    pub(crate) has_gate: bool,
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
            has_gate: true,
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
    /// Positions that a short convolution sees, in a layer that has one in attention's place.
    pub(crate) convolution: Option<usize>,
}

/// A loaded decoder.
pub(crate) struct Decoder {
    embeddings: Matrix,
    embedding_scale: Option<f32>,
    layers: Vec<Layer>,
    ropes: Vec<Rope>,
    output_norm: Norm,
    output: Linear,
    logit_scale: Option<f32>,
    logit_soft_cap: Option<f32>,
    buffers: Buffers,
}

struct Layer {
    input_norm: Option<Norm>,
    mixer: Mixer,
    post_attention_norm: Option<Norm>,
    feed_forward_norm: Option<Norm>,
    feed_forward: FeedForward,
    post_feed_forward_norm: Option<Norm>,
    residual_scale: Option<f32>,
}

/// The half of a layer that looks at other tokens.
enum Mixer {
    Attention(Box<SelfAttention>),
    Convolution(Box<ShortConvolution>),
}

/// Loads a standard decoder to where the loader places it.
pub(crate) fn load(
    loader: &Loader<'_>,
    options: &DecoderOptions,
) -> std::result::Result<Box<dyn LanguageFamily>, LoadError> {
    // The cache was laid out by what the file says of its layers.
    let attends = |layer: &&LayerOptions| layer.convolution.is_none();
    if options.layers.iter().filter(attends).count() != loader.sizes.attending_layers() {
        let reason = "convolutions in an architecture that has none";
        return Err(LoadError::Invalid(reason.to_owned()));
    }
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
        let mut attending = 0;
        let mut layers = Vec::with_capacity(options.layers.len());
        for (index, &layer) in options.layers.iter().enumerate() {
            layers.push(Layer::load(loader, options, index, layer, attending)?);
            attending += usize::from(layer.convolution.is_none());
        }
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
    /// Loads layer `index`, before which `attending` layers attend.
    fn load(
        loader: &Loader<'_>,
        options: &DecoderOptions,
        index: usize,
        layer: LayerOptions,
        attending: usize,
    ) -> std::result::Result<Self, LoadError> {
        let hidden = loader.sizes.hidden;
        let name = |part: &str| format!("blk.{index}.{part}");
        let input_norm = |part: &str| {
            let norm = || loader.norm(&name(part), hidden);
            options.normalises_input.then(norm).transpose()
        };
        let mixer = match layer.convolution {
            Some(length) => {
                Mixer::Convolution(Box::new(ShortConvolution::load(loader, index, length)?))
            }
            None => {
                let attention = SelfAttention::load(loader, options, index, layer, attending)?;
                Mixer::Attention(Box::new(attention))
            }
        };
        Ok(Self {
            input_norm: input_norm("attn_norm")?,
            mixer,
            post_attention_norm: loader.optional_norm(&name("post_attention_norm"), hidden)?,
            feed_forward_norm: input_norm("ffn_norm")?,
            feed_forward: FeedForward::load(loader, index, options.activation, options.has_gate)?,
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

    fn hidden(&mut self, batch: &Batch, cache: &mut PagedCache) -> Result<Vec<f32>> {
        let Self {
            layers, buffers, ..
        } = self;
        let hidden = self.output_norm.width();
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
        for (index, layer) in layers.iter_mut().enumerate() {
            // What the layer before adds to the stream is added on the way into this one.
            let added = (index > 0).then_some(&*branch);
            let values = enter(layer.input_norm.as_ref(), residual, added, normed);
            let input = Input { values, phases };
            layer.mix(batch, cache, &rotations, input, branch, &mut buffers.layer)?;
            layer.leave(layer.post_attention_norm.as_ref(), branch);
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
        let mut wanted = vec![0.0; batch.logit_rows.len() * hidden];
        for (wanted, &row) in wanted.chunks_exact_mut(hidden).zip(&batch.logit_rows) {
            let values = residual[row * hidden..].iter().zip(&branch[row * hidden..]);
            for (wanted, (residual, branch)) in wanted.iter_mut().zip(values) {
                *wanted = residual + branch;
            }
        }
        self.output_norm.in_place(&mut wanted);
        Ok(wanted)
    }

    fn logits(&mut self, batch: &Batch, cache: &mut PagedCache) -> Result<Vec<f32>> {
        let hidden = self.hidden(batch, cache)?;
        let mut logits = vec![0.0; batch.logit_rows.len() * self.output.weights.outputs()];
        if logits.is_empty() {
            return Ok(logits);
        }
        let input = Input {
            values: &hidden,
            phases: &batch.logit_phases,
        };
        self.output.forward(input, &mut logits)?;
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
    /// What tokens tell each other, from the normalised residual stream to what is added to it.
    fn mix(
        &mut self,
        batch: &Batch,
        cache: &mut PagedCache,
        rotations: &[Rotation],
        x: Input<'_>,
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        match &mut self.mixer {
            Mixer::Attention(attention) => {
                attention.forward(batch, cache, rotations, x, branch, buffers)
            }
            Mixer::Convolution(convolution) => {
                let block_size = cache.shape().block_size;
                convolution.forward(batch, block_size, x, branch, buffers)
            }
        }
    }

    /// What half a layer computed becomes what is added to the residual stream.
    fn leave(&self, norm: Option<&Norm>, branch: &mut [f32]) {
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
    norm: Option<&Norm>,
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
