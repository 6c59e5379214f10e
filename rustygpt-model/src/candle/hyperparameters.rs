//! The sizes of a model, read from GGUF metadata or a Hugging Face `config.json`.

use super::load::LoadError;
use super::rope::{RopeParameters, RopeScaling, RopeStyle};
use crate::weights::Metadata;
use serde_json::Value;

/// The sizes every model has. An encoder leaves those of grouped heads, windows and rotation alone.
#[derive(Clone, Debug)]
pub(crate) struct Hyperparameters {
    /// Layers.
    pub(crate) layers: usize,
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    /// Query heads.
    pub(crate) heads: usize,
    /// Key/value heads; divides `heads`.
    pub(crate) kv_heads: usize,
    /// Width of a head.
    pub(crate) head_dimension: usize,
    /// Positions the model was trained for.
    pub(crate) context_length: usize,
    /// Added to the mean square or the variance in normalisation.
    pub(crate) norm_epsilon: f64,
    /// Positions seen by layers with a sliding window, if the file names one.
    pub(crate) sliding_window: Option<usize>,
    /// Rotary position embedding of the (global) layers.
    pub(crate) rope: RopeParameters,
    /// The experts of layers that have them.
    pub(crate) experts: Option<ExpertSizes>,
    /// Convolutions in attention's place.
    pub(crate) convolutions: Option<Convolutions>,
}

/// Which layers have a short convolution in attention's place.
#[derive(Clone, Debug)]
pub(crate) struct Convolutions {
    /// Positions that one sees, its own included.
    pub(crate) length: usize,
    /// Whether a layer has one; one entry per layer.
    pub(crate) layers: Vec<bool>,
}

/// The sizes of a mixture of experts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpertSizes {
    /// Experts per layer.
    pub(crate) count: usize,
    /// Experts that a token goes through.
    pub(crate) used: usize,
    /// Whether the weights of those add up to one.
    pub(crate) normalises: bool,
}

/// Bounds beyond any real model: they keep a hostile header's products far from overflow.
const MAXIMUM_SIZE: u64 = 1 << 24;
/// Real ones see three positions.
const LONGEST_CONVOLUTION: u64 = 64;

impl Hyperparameters {
    /// Reads the keys that llama.cpp's converter writes for `architecture`.
    pub(crate) fn from_gguf(metadata: &Metadata, architecture: &str) -> Result<Self, LoadError> {
        let key = |name: &str| format!("{architecture}.{name}");
        let optional = |name: &str| -> Result<Option<usize>, LoadError> {
            let full = key(name);
            match metadata.unsigned(&full) {
                Some(value) if (1..=MAXIMUM_SIZE).contains(&value) => Ok(Some(value as usize)),
                Some(value) => Err(LoadError::Invalid(format!(
                    "{full} = {value} is out of range"
                ))),
                // Some files hold one value per layer; all equal is the only case a plain decoder has.
                None => match metadata.integers(&full).as_deref() {
                    Some([first, rest @ ..])
                        if rest.iter().all(|value| value == first)
                            && (1..=MAXIMUM_SIZE as i64).contains(first) =>
                    {
                        Ok(Some(*first as usize))
                    }
                    Some(_) => Err(LoadError::Unsupported(format!(
                        "{full} differs between layers"
                    ))),
                    None => Ok(None),
                },
            }
        };
        let required = |name: &str| {
            optional(name)?
                .ok_or_else(|| LoadError::Invalid(format!("the metadata lacks {}", key(name))))
        };
        let hidden = required("embedding_length")?;
        let heads = required("attention.head_count")?;
        let head_dimension = match optional("attention.key_length")? {
            Some(length) => length,
            None => hidden / heads,
        };
        if let Some(value_length) = optional("attention.value_length")?
            && value_length != head_dimension
        {
            return Err(LoadError::Unsupported(format!(
                "keys of {head_dimension} and values of {value_length} elements"
            )));
        }
        let epsilon = metadata
            .float(&key("attention.layer_norm_rms_epsilon"))
            .or_else(|| metadata.float(&key("attention.layer_norm_epsilon")))
            .ok_or_else(|| {
                LoadError::Invalid(format!(
                    "the metadata lacks {}",
                    key("attention.layer_norm_rms_epsilon")
                ))
            })?;
        let context_length = required("context_length")?;
        let layers = required("block_count")?;
        let convolutions = gguf_convolutions(metadata, architecture, layers)?;
        let kv_heads = match &convolutions {
            // Of the layers that attend; in the others the list says 0.
            Some(_) => attending_heads(metadata, &key("attention.head_count_kv"))?,
            None => optional("attention.head_count_kv")?,
        };
        Self {
            layers,
            hidden,
            heads,
            kv_heads: kv_heads.unwrap_or(heads),
            head_dimension,
            context_length,
            norm_epsilon: epsilon,
            sliding_window: metadata
                .unsigned(&key("attention.sliding_window"))
                .filter(|window| (1..MAXIMUM_SIZE).contains(window))
                .map(|window| window as usize),
            rope: RopeParameters {
                dimensions: optional("rope.dimension_count")?.unwrap_or(head_dimension),
                base: metadata.float(&key("rope.freq_base")).unwrap_or(10_000.0),
                style: RopeStyle::Halves,
                scaling: gguf_rope_scaling(metadata, architecture, context_length)?,
            },
            experts: expert_sizes(
                optional("expert_count")?,
                optional("expert_used_count")?,
                metadata
                    .boolean(&key("expert_weights_norm"))
                    .unwrap_or(true),
            )?,
            convolutions,
        }
        .checked()
    }

    /// Reads a Hugging Face `config.json`.
    pub(crate) fn from_huggingface(config: &Value) -> Result<Self, LoadError> {
        let optional = |name: &str| -> Result<Option<usize>, LoadError> {
            match config.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => match value.as_u64() {
                    Some(size) if (1..=MAXIMUM_SIZE).contains(&size) => Ok(Some(size as usize)),
                    _ => Err(LoadError::Invalid(format!(
                        "config.json: {name} = {value} is out of range"
                    ))),
                },
            }
        };
        let required = |name: &str| {
            optional(name)?.ok_or_else(|| LoadError::Invalid(format!("config.json lacks {name}")))
        };
        let hidden = required("hidden_size")?;
        let heads = required("num_attention_heads")?;
        let head_dimension = optional("head_dim")?.unwrap_or(hidden / heads);
        let context_length = required("max_position_embeddings")?;
        // Newer files keep the rotary numbers in `rope_parameters`, older ones beside the sizes.
        let parameters = config
            .get("rope_parameters")
            .filter(|value| value.is_object());
        let base = parameters
            .and_then(|p| p.get("rope_theta"))
            .or_else(|| config.get("rope_theta"))
            .and_then(Value::as_f64)
            .unwrap_or(10_000.0);
        let partial = parameters
            .and_then(|p| p.get("partial_rotary_factor"))
            .or_else(|| config.get("partial_rotary_factor"))
            .and_then(Value::as_f64)
            .unwrap_or(1.0);
        let scaling = parameters.or_else(|| config.get("rope_scaling"));
        let layers = required("num_hidden_layers")?;
        // Whose config says `local` (Mixtral, gpt-oss) weighs the chosen among themselves.
        let local_experts = optional("num_local_experts")?;
        Self {
            layers,
            hidden,
            heads,
            kv_heads: optional("num_key_value_heads")?.unwrap_or(heads),
            head_dimension,
            context_length,
            norm_epsilon: config
                .get("rms_norm_eps")
                .or_else(|| config.get("layer_norm_eps"))
                .or_else(|| config.get("norm_epsilon"))
                .or_else(|| config.get("norm_eps"))
                .and_then(Value::as_f64)
                .unwrap_or(1e-6),
            // 0 and null both mean: sees everything.
            sliding_window: config
                .get("sliding_window")
                .and_then(Value::as_u64)
                .filter(|window| (1..MAXIMUM_SIZE).contains(window))
                .map(|window| window as usize),
            rope: RopeParameters {
                dimensions: (head_dimension as f64 * partial) as usize,
                base,
                style: RopeStyle::Halves,
                scaling: huggingface_rope_scaling(scaling, config, context_length)?,
            },
            experts: expert_sizes(
                optional("num_experts")?.or(local_experts),
                optional("num_experts_per_tok")?,
                config
                    .get("norm_topk_prob")
                    .and_then(Value::as_bool)
                    .unwrap_or(local_experts.is_some()),
            )?,
            convolutions: huggingface_convolutions(config, optional("conv_L_cache")?, layers),
        }
        .checked()
    }

    /// Layers that attend, and so have keys and values.
    pub(crate) fn attending_layers(&self) -> usize {
        let convolving = |all: &Convolutions| all.layers.iter().filter(|&&one| one).count();
        self.layers - self.convolutions.as_ref().map_or(0, convolving)
    }

    /// Bytes that convolutions keep for each block of the cache.
    pub(crate) fn convolution_bytes(&self) -> usize {
        let before = |all: &Convolutions| all.length - 1;
        let rows = self.convolutions.as_ref().map_or(0, before);
        (self.layers - self.attending_layers()) * rows * self.hidden * size_of::<f32>()
    }

    fn checked(self) -> Result<Self, LoadError> {
        let invalid = |reason: String| Err(LoadError::Invalid(reason));
        if self.head_dimension == 0
            || self.kv_heads > self.heads
            || !self.heads.is_multiple_of(self.kv_heads)
        {
            return invalid(format!(
                "{} query heads of {} elements cannot share {} key/value heads",
                self.heads, self.head_dimension, self.kv_heads
            ));
        }
        let rotary = self.rope.dimensions;
        if rotary == 0 || !rotary.is_multiple_of(2) || rotary > self.head_dimension {
            return invalid(format!(
                "rotary embedding of {rotary} of {} elements",
                self.head_dimension
            ));
        }
        if !(self.norm_epsilon >= 0.0 && self.norm_epsilon < 1.0) {
            return invalid(format!("norm epsilon {}", self.norm_epsilon));
        }
        if !(self.rope.base > 0.0 && self.rope.base.is_finite()) {
            return invalid(format!("rotary base {}", self.rope.base));
        }
        Ok(self)
    }
}

/// llama.cpp's converter writes no key/value heads for a layer with a convolution.
fn gguf_convolutions(
    metadata: &Metadata,
    architecture: &str,
    layers: usize,
) -> Result<Option<Convolutions>, LoadError> {
    let key = |name: &str| format!("{architecture}.{name}");
    let Some(length) = metadata.unsigned(&key("shortconv.l_cache")) else {
        return Ok(None);
    };
    let heads = metadata
        .integers(&key("attention.head_count_kv"))
        .unwrap_or_default();
    if heads.len() != layers || !(1..=LONGEST_CONVOLUTION).contains(&length) {
        return Err(LoadError::Invalid(format!(
            "convolutions over {length} positions among {} of {layers} layers",
            heads.len()
        )));
    }
    Ok(Some(Convolutions {
        length: length as usize,
        layers: heads.iter().map(|&heads| heads == 0).collect(),
    }))
}

/// The one number above 0 in a list.
fn attending_heads(metadata: &Metadata, key: &str) -> Result<Option<usize>, LoadError> {
    let all = metadata.integers(key).unwrap_or_default();
    let mut attending = all.iter().filter(|&&heads| heads != 0);
    let Some(&first) = attending.next() else {
        return Ok(None);
    };
    if attending.any(|&heads| heads != first) || !(1..=MAXIMUM_SIZE as i64).contains(&first) {
        return Err(LoadError::Unsupported(format!(
            "{key} differs between layers"
        )));
    }
    Ok(Some(first as usize))
}

fn huggingface_convolutions(
    config: &Value,
    length: Option<usize>,
    layers: usize,
) -> Option<Convolutions> {
    let length = length.filter(|&length| length as u64 <= LONGEST_CONVOLUTION)?;
    let kinds = config.get("layer_types").and_then(Value::as_array);
    let attending = config.get("full_attn_idxs").and_then(Value::as_array);
    let convolves = |layer: usize| match (kinds, attending) {
        (Some(kinds), _) => kinds.get(layer).is_some_and(|kind| kind == "conv"),
        (None, Some(attending)) => !attending.iter().any(|index| *index == layer),
        (None, None) => false,
    };
    Some(Convolutions {
        length,
        layers: (0..layers).map(convolves).collect(),
    })
}

fn expert_sizes(
    count: Option<usize>,
    used: Option<usize>,
    normalises: bool,
) -> Result<Option<ExpertSizes>, LoadError> {
    match (count, used) {
        (None, _) => Ok(None),
        (Some(count), Some(used)) if used <= count => Ok(Some(ExpertSizes {
            count,
            used,
            normalises,
        })),
        (Some(count), used) => Err(LoadError::Invalid(format!(
            "{used:?} of {count} experts in use"
        ))),
    }
}

fn gguf_rope_scaling(
    metadata: &Metadata,
    architecture: &str,
    context_length: usize,
) -> Result<RopeScaling, LoadError> {
    let key = |name: &str| format!("{architecture}.rope.scaling.{name}");
    let number = |name: &str| metadata.float(&key(name));
    let original =
        number("original_context_length").map_or(context_length, |length| length as usize);
    // `rope.scale_linear` is how the oldest files said the same.
    let factor = number("factor")
        .or_else(|| metadata.float(&format!("{architecture}.rope.scale_linear")))
        .unwrap_or(1.0);
    match metadata.string(&key("type")) {
        None if factor != 1.0 => Ok(RopeScaling::Linear { factor }),
        // longrope's factors are tensors: the family that knows them fills them in.
        None | Some("none" | "longrope") => Ok(RopeScaling::None),
        Some("linear") => Ok(RopeScaling::Linear { factor }),
        Some("yarn") => Ok(RopeScaling::Yarn {
            factor,
            original,
            attention_factor: number("attn_factor")
                .map(|magnitude| magnitude * RopeScaling::yarn_magnitude(factor)),
            beta_fast: number("yarn_beta_fast").unwrap_or(32.0),
            beta_slow: number("yarn_beta_slow").unwrap_or(1.0),
            truncates: true,
        }),
        Some(other) => Err(LoadError::Unsupported(format!("rope scaling '{other}'"))),
    }
}

fn huggingface_rope_scaling(
    scaling: Option<&Value>,
    config: &Value,
    context_length: usize,
) -> Result<RopeScaling, LoadError> {
    let Some(scaling) = scaling.filter(|value| value.is_object()) else {
        return Ok(RopeScaling::None);
    };
    let number = |name: &str| scaling.get(name).and_then(Value::as_f64);
    let required = |name: &str| {
        number(name)
            .ok_or_else(|| LoadError::Invalid(format!("config.json: rope scaling lacks {name}")))
    };
    let original = number("original_max_position_embeddings")
        .or_else(|| {
            config
                .get("original_max_position_embeddings")
                .and_then(Value::as_f64)
        })
        .map_or(context_length, |length| length as usize);
    let kind = scaling
        .get("rope_type")
        .or_else(|| scaling.get("type"))
        .and_then(Value::as_str);
    match kind {
        None | Some("default") => Ok(RopeScaling::None),
        Some("linear") => Ok(RopeScaling::Linear {
            factor: required("factor")?,
        }),
        Some("llama3") => Ok(RopeScaling::Llama3 {
            factor: required("factor")?,
            low_frequency_factor: required("low_freq_factor")?,
            high_frequency_factor: required("high_freq_factor")?,
            original,
        }),
        Some("yarn") => Ok(RopeScaling::Yarn {
            factor: required("factor")?,
            original,
            attention_factor: number("attention_factor"),
            beta_fast: number("beta_fast").unwrap_or(32.0),
            beta_slow: number("beta_slow").unwrap_or(1.0),
            truncates: scaling
                .get("truncate")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        }),
        Some("longrope" | "su") => {
            let factors = |name: &str| -> Result<Vec<f32>, LoadError> {
                scaling
                    .get(name)
                    .and_then(Value::as_array)
                    .and_then(|values| {
                        values
                            .iter()
                            .map(|v| v.as_f64().map(|v| v as f32))
                            .collect::<Option<_>>()
                    })
                    .ok_or_else(|| {
                        LoadError::Invalid(format!("config.json: rope scaling lacks {name}"))
                    })
            };
            let extension = number("factor").unwrap_or(context_length as f64 / original as f64);
            Ok(RopeScaling::LongRope {
                short: factors("short_factor")?,
                long: factors("long_factor")?,
                original,
                attention_factor: number("attention_factor")
                    .unwrap_or_else(|| RopeScaling::long_rope_magnitude(extension, original)),
            })
        }
        Some(other) => Err(LoadError::Unsupported(format!("rope scaling '{other}'"))),
    }
}
