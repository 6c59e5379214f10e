//! SmolLM 3: Llama in which every fourth layer knows no positions ("NoPE", Yang et al., 2025).

use super::{Family, LanguageFamily, layers};
use crate::candle::decoder::{self, DecoderOptions};
use crate::candle::load::{LoadError, Loader};
use crate::candle::rope::RopeStyle;
use crate::weights::Source;
use serde_json::Value;

pub(super) static FAMILY: Family = Family {
    gguf: &["smollm3"],
    huggingface: &["SmolLM3ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[],
    huggingface_norms_add_one: false,
    load,
};

/// One layer of so many knows no positions, unless the file says otherwise.
const INTERVAL: usize = 4;

fn load(loader: &Loader<'_>) -> Result<Box<dyn LanguageFamily>, LoadError> {
    let mut rope = loader.sizes.rope.clone();
    if !loader.is_huggingface() {
        // llama.cpp's converter permutes the query and key rows of this architecture.
        rope.style = RopeStyle::Neighbours;
    }
    let mut layers = layers(loader, |_| false);
    let turning = turning_layers(loader);
    for (index, layer) in layers.iter_mut().enumerate() {
        let turns = turning
            .as_ref()
            .map_or(!(index + 1).is_multiple_of(INTERVAL), |turning| turning[index]);
        layer.rope = turns.then_some(0);
    }
    let options = DecoderOptions::plain(rope, layers);
    decoder::load(loader, &options)
}

/// Which layers know positions, where a configuration lists them: 1 for those that do.
fn turning_layers(loader: &Loader<'_>) -> Option<Vec<bool>> {
    let Source::HuggingFace(directory) = loader.source() else {
        return None;
    };
    let listed = directory.config.get("no_rope_layers")?.as_array()?;
    let turns = |value: &Value| value.as_u64() != Some(0);
    (listed.len() == loader.sizes.layers).then(|| listed.iter().map(turns).collect())
}
