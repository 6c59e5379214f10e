//! Phi-3 and 3.5: Llama with stacked projections and LongRoPE.

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};
use crate::candle::rope::RopeScaling;
use crate::weights::Source;

pub(super) static FAMILY: Family = Family {
    gguf: &["phi3"],
    huggingface: &["Phi3ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[],
    huggingface_norms_add_one: false,
    load,
};

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let mut rope = loader.sizes.rope.clone();
    let pairs = rope.dimensions / 2;
    if let Source::Gguf(metadata) = loader.source()
        && let Some(long) = loader.optional_vector("rope_factors_long.weight", pairs)?
    {
        let trained = loader.sizes.context_length;
        let original = metadata
            .unsigned("phi3.rope.scaling.original_context_length")
            .map_or(trained, |length| length as usize);
        let extension = trained as f64 / original as f64;
        rope.scaling = RopeScaling::LongRope {
            short: loader.vector("rope_factors_short.weight", pairs)?,
            long,
            original,
            attention_factor: metadata
                .float("phi3.rope.scaling.attn_factor")
                .unwrap_or_else(|| RopeScaling::long_rope_magnitude(extension, original)),
        };
    }
    let options = DecoderOptions::plain(rope, layers(loader, |_| true));
    decoder::load(loader, &options)
}
