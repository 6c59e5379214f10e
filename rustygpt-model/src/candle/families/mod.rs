//! The language families. Adding one is one file here and one word in the list below.

use super::batch::Batch;
use super::cache::PagedCache;
use super::decoder::LayerOptions;
use super::load::{LoadError, Loader};
use crate::weights::Source;
use candle_core::Result;

/// A language model's arithmetic. It knows neither batch sizes nor the layout of the cache.
pub(crate) trait LanguageFamily: Send {
    /// Length of a row of logits.
    fn vocabulary(&self) -> usize;

    /// As [`crate::contract::Geometry::long_text`].
    fn long_text(&self) -> Option<usize>;

    /// Computes one step and returns the wanted logits, `rows × vocabulary`; empty when no row
    /// wants any.
    fn logits(&mut self, batch: &Batch, cache: &mut PagedCache) -> Result<Vec<f32>>;
}

/// Loads a family's weights.
type LoadFamily = fn(&Loader<'_>) -> std::result::Result<Box<dyn LanguageFamily>, LoadError>;

/// What the loader needs to know of a family.
pub(crate) struct Family {
    /// Values of GGUF's `general.architecture`.
    pub(crate) gguf: &'static [&'static str],
    /// Values of `architectures` in Hugging Face's `config.json`.
    pub(crate) huggingface: &'static [&'static str],
    /// Tensor stems of a layer that Hugging Face names otherwise than most: (llama.cpp's, theirs).
    pub(crate) huggingface_tensors: &'static [(&'static str, &'static str)],
    /// Whether Hugging Face's files store normalisation weights less one (GGUF's never do).
    pub(crate) huggingface_norms_add_one: bool,
    /// Loads the weights.
    pub(crate) load: LoadFamily,
}

macro_rules! families {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static FAMILIES: &[&Family] = &[$(&$name::FAMILY),+];
    };
}

families!(
    gemma2, gemma3, granite, llama, olmo2, phi3, qwen2, qwen3, qwen3_moe, smollm3
);

/// The family that reads a GGUF architecture.
pub(crate) fn by_gguf_name(name: &str) -> Option<&'static Family> {
    FAMILIES
        .iter()
        .copied()
        .find(|family| family.gguf.contains(&name))
}

/// The family that reads a Hugging Face architecture.
pub(crate) fn by_huggingface_name(name: &str) -> Option<&'static Family> {
    FAMILIES
        .iter()
        .copied()
        .find(|family| family.huggingface.contains(&name))
}

/// All GGUF architectures, for messages.
pub(crate) fn supported_names() -> String {
    let names: Vec<&str> = FAMILIES
        .iter()
        .flat_map(|family| family.gguf)
        .copied()
        .collect();
    names.join(", ")
}

/// Which layers see only a window, for Hugging Face configurations that list `layer_types`.
fn layer_types(loader: &Loader<'_>) -> Option<Vec<bool>> {
    let Source::HuggingFace(directory) = loader.source() else {
        return None;
    };
    let types = directory.config.get("layer_types")?.as_array()?;
    (types.len() == loader.sizes.layers).then(|| {
        types
            .iter()
            .map(|kind| kind == "sliding_attention")
            .collect()
    })
}

/// Layers that all use the first rotary embedding; those that `slides` says see only the file's
/// window.
fn layers(loader: &Loader<'_>, slides: impl Fn(usize) -> bool) -> Vec<LayerOptions> {
    (0..loader.sizes.layers)
        .map(|layer| LayerOptions {
            window: loader.sizes.sliding_window.filter(|_| slides(layer)),
            rope: Some(0),
        })
        .collect()
}
