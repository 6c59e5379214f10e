//! StarCoder 2: layer norms, biases everywhere, and a feed-forward network without a gate.

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::elementwise::Activation;
use crate::candle::load::{LoadError, Loader};

pub(super) static FAMILY: Family = Family {
    gguf: &["starcoder2"],
    huggingface: &["Starcoder2ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj")],
    huggingface_norms_add_one: false,
    load,
};

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let options = DecoderOptions {
        activation: Activation::GeluTanh,
        has_gate: false,
        // llama.cpp's converter writes no window, and so sees everything in a longer text.
        ..DecoderOptions::plain(loader.sizes.rope.clone(), layers(loader, |_| true))
    };
    decoder::load(loader, &options)
}
