//! Liquid AI's LFM2: short convolutions, with attention in some layers.

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};

pub(super) static FAMILY: Family = Family {
    gguf: &["lfm2"],
    huggingface: &["Lfm2ForCausalLM"],
    // The norm behind the last layer has the name of another architecture's behind the embeddings.
    gguf_tensors: &[("output_norm", "token_embd_norm")],
    huggingface_tensors: &[
        ("output_norm", "embedding_norm"),
        ("attn_norm", "operator_norm"),
        ("attn_output", "self_attn.out_proj"),
        ("attn_q_norm", "self_attn.q_layernorm"),
        ("attn_k_norm", "self_attn.k_layernorm"),
        ("shortconv.in_proj", "conv.in_proj"),
        ("shortconv.conv", "conv.conv"),
        ("shortconv.out_proj", "conv.out_proj"),
        ("ffn_norm", "ffn_norm"),
        ("ffn_gate", "feed_forward.w1"),
        ("ffn_up", "feed_forward.w3"),
        ("ffn_down", "feed_forward.w2"),
    ],
    huggingface_norms_add_one: false,
    load,
};

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let convolutions = loader.sizes.convolutions.as_ref();
    let convolutions = convolutions
        .ok_or_else(|| LoadError::Invalid("the file says nothing of convolutions".to_owned()))?;
    let mut layers = layers(loader, |_| true);
    for (layer, &convolves) in layers.iter_mut().zip(&convolutions.layers) {
        layer.convolution = convolves.then_some(convolutions.length);
    }
    let options = DecoderOptions::plain(loader.sizes.rope.clone(), layers);
    decoder::load(loader, &options)
}
