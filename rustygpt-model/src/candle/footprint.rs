//! [`Footprint`]: what a model will take in memory, known from its headers.

use super::CacheType;
use super::cache::BlockShape;
use super::embedder::PooledDecoder;
use super::encoder::is_encoder;
use super::expert_weights;
use super::hyperparameters::Hyperparameters;
use super::load::{LoadError, LoadOptions, Loader, architecture};
use super::operations::Matrix;
use crate::contract::ModelError;
use crate::weights::{ModelFiles, TensorInfo};

/// Positions of a cache worth having, where nobody said how many.
const LEAST_CONTEXT: usize = 4096;

/// What a model takes beside weights and cache: its vocabulary, the activations of a whole step's
/// prompt tokens, the logits of every slot. Llama 3.2 with 1 B weights and 128,000 tokens was
/// measured to take 60 MiB for its vocabulary and as much for its steps.
pub const WORKING_SPACE: u64 = 128 << 20;

/// What a model will take in memory, known from its headers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of the weights as the kernels read them.
    pub weight_bytes: u64,
    /// Bytes of the smallest key/value cache worth loading the model with: one request of the
    /// context that was asked for, else of 4096 positions.
    pub least_cache_bytes: u64,
    /// Bytes of a cache that all slots together can fill.
    pub most_cache_bytes: u64,
}

impl Footprint {
    /// Bytes without which the model cannot be loaded.
    #[must_use]
    pub fn least_bytes(&self) -> u64 {
        self.with_cache(self.least_cache_bytes)
    }

    /// Bytes that it takes with a cache of this size.
    #[must_use]
    pub fn with_cache(&self, cache_bytes: u64) -> u64 {
        let fixed = self.weight_bytes.saturating_add(WORKING_SPACE);
        fixed.saturating_add(cache_bytes)
    }
}

/// What a language model will take. The context and slots of `options` count, its `cache_bytes` do
/// not.
///
/// # Errors
/// [`ModelError`] naming the file, if it is of no architecture known here or lacks a size.
pub fn footprint(files: &ModelFiles, options: &LoadOptions) -> Result<Footprint, ModelError> {
    let read = || -> Result<Footprint, LoadError> {
        let (loader, _) = Loader::of_language_model(files)?;
        let plan = CachePlan::new(&loader.sizes, options);
        let least = match options.context_length {
            Some(_) => plan.wanted,
            None => plan.wanted.min(LEAST_CONTEXT),
        };
        Ok(Footprint {
            weight_bytes: weight_bytes(files),
            least_cache_bytes: plan.bytes(plan.blocks_of(least)),
            most_cache_bytes: plan.bytes(plan.most_blocks),
        })
    };
    read().map_err(|error| error.at(files.path()))
}

/// What a model that embeds will take. An encoder has no cache, a decoder one for a text and a layer
/// at a time.
///
/// # Errors
/// [`ModelError`] naming the file, if it is of no architecture that embeds here.
pub fn embedder_footprint(files: &ModelFiles) -> Result<Footprint, ModelError> {
    let read = || -> Result<Footprint, LoadError> {
        let cache_bytes = match is_encoder(architecture(files)?) {
            true => 0,
            false => PooledDecoder::cache_bytes(&Loader::of_language_model(files)?.0.sizes),
        };
        Ok(Footprint {
            weight_bytes: weight_bytes(files),
            least_cache_bytes: cache_bytes,
            most_cache_bytes: cache_bytes,
        })
    };
    read().map_err(|error| error.at(files.path()))
}

/// Bytes of all tensors once they are packed. Those that no family reads are counted too: files
/// have next to none.
fn weight_bytes(files: &ModelFiles) -> u64 {
    files
        .tensors()
        .fold(0, |sum, info| sum.saturating_add(packed_bytes(info)))
}

fn packed_bytes(info: &TensorInfo) -> u64 {
    if let Some(bytes) = expert_weights::packed_bytes(info) {
        return bytes;
    }
    match info.shape.as_slice() {
        // Neither the biases of experts nor the kernels of convolutions are matrices.
        _ if info.name.ends_with("bias") || info.name.ends_with("conv.weight") => {
            info.elements().saturating_mul(4)
        }
        // Tensors of more axes are matrices one behind the other.
        [stack @ .., outputs, inputs] => {
            let count: u64 = stack.iter().map(|&axis| axis as u64).product();
            let bytes = Matrix::packed_bytes(info.element_type, *outputs, *inputs);
            bytes.unwrap_or(info.byte_length).saturating_mul(count)
        }
        // Vectors are widened to f32.
        _ => info.elements().saturating_mul(4),
    }
}

/// How the key/value cache of a model is cut.
pub(super) struct CachePlan {
    /// Of one block in one layer.
    pub(super) shape: BlockShape,
    /// Positions that a request is to have.
    pub(super) wanted: usize,
    /// Blocks that all slots together can fill.
    most_blocks: usize,
    /// Layers that have keys and values.
    layers: usize,
    /// What other layers keep with each block.
    beside: usize,
    cache_type: CacheType,
}

impl CachePlan {
    pub(super) fn new(sizes: &Hyperparameters, options: &LoadOptions) -> Self {
        let mut plan = Self {
            shape: BlockShape {
                block_size: options.block_size,
                kv_heads: sizes.kv_heads,
                head_dimension: sizes.head_dimension,
            },
            wanted: options.context_length.unwrap_or(sizes.context_length),
            most_blocks: 0,
            layers: sizes.attending_layers(),
            beside: sizes.convolution_bytes(),
            cache_type: options.cache_type,
        };
        let slots = options.slots.max(1);
        plan.most_blocks = plan.blocks_of(plan.wanted).saturating_mul(slots);
        plan
    }

    /// Bytes of so many blocks in all layers.
    pub(super) fn bytes(&self, blocks: usize) -> u64 {
        let block = self
            .layers
            .saturating_mul(self.shape.bytes(self.cache_type))
            .saturating_add(self.beside);
        (block as u64).saturating_mul(blocks as u64)
    }

    /// Blocks that hold so many positions of one request.
    pub(super) fn blocks_of(&self, positions: usize) -> usize {
        positions.div_ceil(self.shape.block_size).max(1)
    }

    /// Blocks that fit into `cache_bytes`, and no more than the slots can fill.
    pub(super) fn blocks_within(&self, cache_bytes: u64) -> usize {
        let affordable = cache_bytes / self.bytes(1).max(1);
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
        affordable.min(self.most_blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candle::{load, load_embedder};
    use crate::contract::Pooling;
    use std::path::{Path, PathBuf};

    /// Every model file below a folder of the fixtures.
    fn models(folder: &str) -> Vec<PathBuf> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(fixtures.join(folder)).unwrap() {
            let folder = entry.unwrap().path();
            found.extend(ModelFiles::open(&folder).is_ok().then_some(folder.clone()));
            let files = std::fs::read_dir(&folder).into_iter().flatten();
            let files = files.map(|file| file.unwrap().path());
            found.extend(files.filter(|path| path.extension().is_some_and(|it| it == "gguf")));
        }
        assert!(found.len() > 3, "{found:?}");
        found
    }

    #[test]
    fn what_headers_promise_is_what_loaded_models_take() {
        let options = LoadOptions {
            cache_bytes: 4 << 20,
            slots: 2,
            ..LoadOptions::default()
        };
        for path in models("models") {
            let files = ModelFiles::open(&path).unwrap();
            let promised = footprint(&files, &options).unwrap();
            let model = load(&files, &options).unwrap();
            assert_eq!(
                promised.weight_bytes,
                model.weight_bytes(),
                "{}",
                path.display()
            );
            assert!(promised.most_cache_bytes >= model.cache_bytes());
            let least = LoadOptions {
                cache_bytes: promised.least_cache_bytes,
                ..options
            };
            let model = load(&files, &least).unwrap();
            assert!(model.cache_bytes() <= promised.least_cache_bytes);
        }
    }

    #[test]
    fn models_that_embed_have_a_footprint_too() {
        for path in models("embedding_models") {
            let files = ModelFiles::open(&path).unwrap();
            let promised = embedder_footprint(&files).unwrap();
            assert!(promised.weight_bytes >= files.weight_bytes());
            load_embedder(&files, Pooling::Mean, &LoadOptions::default()).unwrap();
        }
    }
}
