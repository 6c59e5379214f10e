//! Gemma 3 (text): norms before and after each block, scaled embeddings, and five layers with a
//! sliding window for each that sees everything, the two kinds with their own rotary base.

use super::{Family, LanguageFamily, layer_types};
use crate::candle::decoder::{self, DecoderOptions, LayerOptions};
use crate::candle::elementwise::Activation;
use crate::candle::load::{LoadError, Loader};
use crate::candle::rope::{RopeParameters, RopeScaling};
use crate::weights::Source;
use serde_json::Value;

pub(super) static FAMILY: Family = Family {
    gguf: &["gemma3"],
    huggingface: &["Gemma3ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[
        ("post_attention_norm", "post_attention_layernorm"),
        ("ffn_norm", "pre_feedforward_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
    ],
    huggingface_norms_add_one: true,
    load,
};

/// Every sixth layer sees everything.
const PATTERN: usize = 6;
/// Layers of the 27 B model, whose attention scale alone is not 1 / √head dimension.
const LAYERS_27B: usize = 62;

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let sizes = &loader.sizes;
    let mut global = sizes.rope.clone();
    let mut pattern = PATTERN;
    let mut local_base = 10_000.0;
    let mut logit_soft_cap = None;
    let attention_scale;
    match loader.source() {
        Source::Gguf(metadata) => {
            if metadata.get("gemma3.rope.freq_base").is_none() {
                global.base = 1_000_000.0;
            }
            if let Some(base) = metadata.float("gemma3.rope.freq_base_swa") {
                local_base = base;
            }
            if let Some(value) = metadata.unsigned("gemma3.attention.sliding_window_pattern") {
                pattern = (value as usize).max(1);
            }
            if let Some(cap) = metadata.float("gemma3.final_logit_softcapping") {
                logit_soft_cap = Some(cap as f32);
            }
            let scalar = if sizes.layers == LAYERS_27B {
                sizes.hidden / sizes.heads
            } else {
                sizes.head_dimension
            };
            attention_scale = (scalar as f64).powf(-0.5);
        }
        Source::HuggingFace(directory) => {
            let config = &directory.config;
            let number = |name: &str| config.get(name).and_then(Value::as_f64);
            if let Some(parameters) = config.get("rope_parameters") {
                let of = |kind: &str, name: &str| parameters.get(kind)?.get(name)?.as_f64();
                global.base = of("full_attention", "rope_theta").unwrap_or(1_000_000.0);
                local_base = of("sliding_attention", "rope_theta").unwrap_or(local_base);
                if let Some(factor) = of("full_attention", "factor") {
                    global.scaling = RopeScaling::Linear { factor };
                }
            } else {
                global.base = number("rope_theta").unwrap_or(1_000_000.0);
                local_base = number("rope_local_base_freq").unwrap_or(local_base);
            }
            if let Some(value) = config.get("sliding_window_pattern").and_then(Value::as_u64) {
                pattern = (value as usize).max(1);
            }
            logit_soft_cap = number("final_logit_softcapping").map(|cap| cap as f32);
            let scalar = number("query_pre_attn_scalar").unwrap_or(sizes.head_dimension as f64);
            attention_scale = scalar.powf(-0.5);
        }
    }
    let local = RopeParameters { base: local_base, scaling: RopeScaling::None, ..global };
    let types = layer_types(loader);
    let layers = (0..sizes.layers)
        .map(|layer| {
            let slides = types
                .as_ref()
                .map_or_else(|| (layer + 1) % pattern != 0, |types| types[layer]);
            LayerOptions {
                window: sizes.sliding_window.filter(|_| slides),
                rope: Some(usize::from(slides)),
                ..LayerOptions::default()
            }
        })
        .collect();
    let options = DecoderOptions {
        activation: Activation::GeluTanh,
        embedding_scale: Some((sizes.hidden as f64).sqrt()),
        attention_scale: Some(attention_scale),
        logit_soft_cap,
        ropes: vec![global.clone(), local],
        ..DecoderOptions::plain(global, layers)
    };
    decoder::load(loader, &options)
}
