//! OLMo 2: norms after each block instead of before it, and over all queries and keys of a token.

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};

pub(super) static FAMILY: Family = Family {
    gguf: &["olmo2"],
    huggingface: &["Olmo2ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[
        ("post_attention_norm", "post_attention_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
    ],
    huggingface_norms_add_one: false,
    load,
};

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    if loader.sizes.sliding_window.is_some() {
        // OLMo 3 comes under the same name, with two rotary embeddings.
        return Err(LoadError::Unsupported("olmo2 with a sliding window".to_owned()));
    }
    let options = DecoderOptions {
        normalises_input: false,
        ..DecoderOptions::plain(loader.sizes.rope.clone(), layers(loader, |_| true))
    };
    decoder::load(loader, &options)
}
