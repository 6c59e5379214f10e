//! Qwen 2 and 2.5: Llama with biases on queries, keys and values.

use super::{Family, LanguageFamily, layer_types, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};
use crate::weights::Source;
use serde_json::Value;

pub(super) static FAMILY: Family = Family {
    gguf: &["qwen2"],
    huggingface: &["Qwen2ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[],
    huggingface_norms_add_one: false,
    load,
};

/// Qwen 2 and 3 differ only in tensors that are found by their presence: biases and head norms.
pub(super) fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let options = DecoderOptions::plain(loader.sizes.rope.clone(), layers(loader, |layer| slides(loader, layer)));
    decoder::load(loader, &options)
}

/// The window is off unless `use_sliding_window` says otherwise, and then only from
/// `max_window_layers` on.
fn slides(loader: &Loader<'_>, layer: usize) -> bool {
    let Source::HuggingFace(directory) = loader.source() else { return false };
    if !directory.config.get("use_sliding_window").and_then(Value::as_bool).unwrap_or(false) {
        return false;
    }
    match layer_types(loader) {
        Some(types) => types[layer],
        None => {
            let first = directory.config.get("max_window_layers").and_then(Value::as_u64);
            layer as u64 >= first.unwrap_or(28)
        }
    }
}
