//! IBM's Granite 3: Llama with four multipliers.

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};
use crate::candle::rope::RopeStyle;
use crate::weights::Source;
use serde_json::Value;

pub(super) static FAMILY: Family = Family {
    gguf: &["granite"],
    huggingface: &["GraniteForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[],
    huggingface_norms_add_one: false,
    load,
};

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let mut rope = loader.sizes.rope.clone();
    if !loader.is_huggingface() {
        // llama.cpp's converter permutes the query and key rows of this architecture.
        rope.style = RopeStyle::Neighbours;
    }
    let multiplier = |gguf: &str, huggingface: &str| match loader.source() {
        Source::Gguf(metadata) => metadata.float(&format!("granite.{gguf}")),
        Source::HuggingFace(directory) => directory.config.get(huggingface).and_then(Value::as_f64),
    };
    let divisor = multiplier("logit_scale", "logits_scaling");
    if divisor == Some(0.0) {
        return Err(LoadError::Invalid("logits divided by zero".to_owned()));
    }
    let options = DecoderOptions {
        embedding_scale: multiplier("embedding_scale", "embedding_multiplier"),
        attention_scale: multiplier("attention.scale", "attention_multiplier"),
        residual_scale: multiplier("residual_scale", "residual_multiplier"),
        logit_scale: divisor.map(f64::recip),
        ..DecoderOptions::plain(rope, layers(loader, |_| true))
    };
    decoder::load(loader, &options)
}
