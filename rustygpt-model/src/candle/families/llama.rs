//! Llama 2 and 3, Mistral, TinyLlama, SmolLM and the many that copy them.

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};
use crate::candle::rope::{RopeScaling, RopeStyle};

pub(super) static FAMILY: Family = Family {
    gguf: &["llama"],
    huggingface: &["LlamaForCausalLM", "MistralForCausalLM"],
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
    if let Some(divisors) = loader.optional_vector("rope_freqs.weight", rope.dimensions / 2)? {
        rope.scaling = RopeScaling::Divisors(divisors);
    }
    let options = DecoderOptions::plain(rope, layers(loader, |_| true));
    decoder::load(loader, &options)
}
