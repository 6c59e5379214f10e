//! Gemma 2: norms before and after each block, scaled embeddings, capped scores and logits, and
//! every other layer with a sliding window.

use super::{Family, LanguageFamily, layer_types, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::elementwise::Activation;
use crate::candle::load::{LoadError, Loader};
use crate::weights::Source;
use serde_json::Value;

pub(super) static FAMILY: Family = Family {
    gguf: &["gemma2"],
    huggingface: &["Gemma2ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[
        ("post_attention_norm", "post_attention_layernorm"),
        ("ffn_norm", "pre_feedforward_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
    ],
    huggingface_norms_add_one: true,
    load,
};

/// Layers of the 27 B model, whose attention scale alone is not 1 / √head dimension.
const LAYERS_27B: usize = 46;
/// What the oldest files leave out.
const SCORE_CAP: f64 = 50.0;
const LOGIT_CAP: f64 = 30.0;

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let sizes = &loader.sizes;
    let (scalar, score_cap, logit_cap) = match loader.source() {
        Source::Gguf(metadata) => {
            let cap = |name: &str| metadata.float(&format!("gemma2.{name}"));
            let scalar = match sizes.layers {
                LAYERS_27B => sizes.hidden / sizes.heads,
                _ => sizes.head_dimension,
            };
            (
                scalar as f64,
                Some(cap("attn_logit_softcapping").unwrap_or(SCORE_CAP)),
                Some(cap("final_logit_softcapping").unwrap_or(LOGIT_CAP)),
            )
        }
        Source::HuggingFace(directory) => {
            let config = &directory.config;
            let scalar = config.get("query_pre_attn_scalar").and_then(Value::as_f64);
            // Null means: not capped.
            let cap = |name: &str, default| match config.get(name) {
                Some(value) => value.as_f64(),
                None => Some(default),
            };
            (
                scalar.unwrap_or(sizes.head_dimension as f64),
                cap("attn_logit_softcapping", SCORE_CAP),
                cap("final_logit_softcapping", LOGIT_CAP),
            )
        }
    };
    let types = layer_types(loader);
    let slides = |layer: usize| {
        types
            .as_ref()
            .map_or(layer.is_multiple_of(2), |types| types[layer])
    };
    let options = DecoderOptions {
        activation: Activation::GeluTanh,
        embedding_scale: Some((sizes.hidden as f64).sqrt()),
        attention_scale: Some(scalar.powf(-0.5)),
        attention_soft_cap: score_cap.map(|cap| cap as f32),
        logit_soft_cap: logit_cap.map(|cap| cap as f32),
        ..DecoderOptions::plain(sizes.rope.clone(), layers(loader, slides))
    };
    decoder::load(loader, &options)
}
