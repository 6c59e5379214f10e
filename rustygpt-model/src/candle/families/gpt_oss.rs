//! OpenAI's gpt-oss: experts with biases and a clamped gate, attention sinks, and every other layer
//! with a sliding window.

use super::{Family, LanguageFamily, layer_types, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::elementwise::Activation;
use crate::candle::load::{LoadError, Loader};
use crate::candle::rope::RopeScaling;
use crate::weights::Source;
use serde_json::Value;

pub(super) static FAMILY: Family = Family {
    gguf: &["gpt-oss"],
    huggingface: &["GptOssForCausalLM"],
    gguf_tensors: &[("ffn_norm", "post_attention_norm")],
    huggingface_tensors: &[("ffn_gate_inp", "mlp.router")],
    huggingface_norms_add_one: false,
    load,
};

/// The gate's slope and clamp, for which GGUF has no key.
const SLOPE: f32 = 1.702;
const LIMIT: f32 = 7.0;

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let mut rope = loader.sizes.rope.clone();
    let (mut slope, mut limit) = (SLOPE, LIMIT);
    match loader.source() {
        Source::Gguf(_) => {
            // The model was trained so; GGUF cannot say it, and llama.cpp rounds to whole pairs.
            if let RopeScaling::Yarn { truncates, .. } = &mut rope.scaling {
                *truncates = false;
            }
        }
        Source::HuggingFace(directory) => {
            let number = |name: &str| directory.config.get(name).and_then(Value::as_f64);
            slope = number("swiglu_alpha").map_or(SLOPE, |slope| slope as f32);
            limit = number("swiglu_limit").map_or(LIMIT, |limit| limit as f32);
        }
    }
    let types = layer_types(loader);
    let slides = |layer: usize| {
        types.as_ref().map_or(layer.is_multiple_of(2), |types| types[layer])
    };
    let options = DecoderOptions {
        activation: Activation::ClampedSwish { slope, limit },
        ..DecoderOptions::plain(rope, layers(loader, slides))
    };
    decoder::load(loader, &options)
}
