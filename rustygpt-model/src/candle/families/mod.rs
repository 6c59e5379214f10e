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

    /// Computes one step and returns the hidden rows that want logits, normalised as the head reads
    /// them, `rows × hidden`; empty when no row wants any.
    fn hidden(&mut self, batch: &Batch, cache: &mut PagedCache) -> Result<Vec<f32>>;

    /// As [`Self::hidden`], and from there to logits, `rows × vocabulary`.
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
    /// Tensor stems, of the model or of a layer, that GGUF files of this architecture name otherwise
    /// than most: (most, this one).
    pub(crate) gguf_tensors: &'static [(&'static str, &'static str)],
    /// Tensor stems that Hugging Face names otherwise than most: (llama.cpp's, theirs).
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
    gemma2, gemma3, gpt_oss, granite, lfm2, llama, olmo2, phi3, qwen2, qwen3, qwen3_moe, smollm3,
    starcoder2
);

/// The family that reads a GGUF architecture.
pub(crate) fn by_gguf_name(name: &str) -> Option<&'static Family> {
    FAMILIES
        .iter()
        .copied()
        .find(|family| family.gguf.contains(&name))
}

/// The end of a Hugging Face architecture's name: with a head, and without.
const WITH_HEAD: &str = "ForCausalLM";
const WITHOUT_HEAD: &str = "Model";

/// Whether a Hugging Face architecture is a decoder without the head that answers.
pub(crate) fn has_no_head(name: &str) -> bool {
    by_huggingface_name(name).is_some_and(|family| !family.huggingface.contains(&name))
}

/// The family that reads a Hugging Face architecture, with or without a head.
pub(crate) fn by_huggingface_name(name: &str) -> Option<&'static Family> {
    let stem = |name: &'static str| name.strip_suffix(WITH_HEAD);
    let bare = name.strip_suffix(WITHOUT_HEAD);
    FAMILIES.iter().copied().find(|family| {
        let mut names = family.huggingface.iter();
        names.any(|&known| known == name || (bare.is_some() && stem(known) == bare))
    })
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
            convolution: None,
        })
        .collect()
}
