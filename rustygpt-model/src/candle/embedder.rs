//! Loads models that embed: encoders, and decoders whose hidden states are pooled.

use super::batch::Batch;
use super::cache::{BlockShape, CacheType, PagedCache};
use super::encoder::{Encoder, is_encoder, pool};
use super::families::LanguageFamily;
use super::hyperparameters::Hyperparameters;
use super::load::{LoadError, LoadOptions, Loader, architecture};
use crate::contract::{
    BlockId, Embed, EmbeddingShape, ForwardError, Geometry, LogitRows, ModelError, Phase, Pooling,
    SequenceId, SequenceStep, StepPlan,
};
use crate::weights::{ModelFiles, Source};
use serde_json::Value;

/// Tokens that a text may have unless more are asked for: those of OpenAI's models. A text is
/// computed in one step, whose memory grows with it.
const USUAL_LENGTH: usize = 8192;

/// Loads a model that embeds into memory; `pooling` is what
/// [`purpose`](crate::weights::purpose) says of it. The file is not needed any more afterwards.
///
/// # Errors
/// [`ModelError`] naming the file and what is wrong with it, or what does not fit.
pub fn load_embedder(
    files: &ModelFiles,
    pooling: Pooling,
    options: &LoadOptions,
) -> Result<Box<dyn Embed>, ModelError> {
    let path = files.path();
    let load = || -> Result<Box<dyn Embed>, LoadError> {
        if is_encoder(architecture(files)?) {
            return Ok(Box::new(Encoder::load(files, pooling)?));
        }
        Ok(Box::new(PooledDecoder::load(files, pooling, options)?))
    };
    let model = load().map_err(|error| error.at(path))?;
    files.check_intact()?;
    Ok(model)
}

/// A decoder whose hidden states, behind its last norm, become vectors (as in Qwen3-Embedding).
pub(super) struct PooledDecoder {
    family: Box<dyn LanguageFamily>,
    pooling: Pooling,
    shape: EmbeddingShape,
    block: BlockShape,
    long_text: Option<usize>,
    /// Grows to what the largest step needs.
    cache: PagedCache,
    blocks: usize,
    /// Of the last step: state kept per sequence is dropped in the next.
    ended: Vec<SequenceId>,
    next_sequence: u64,
}

impl PooledDecoder {
    /// Bytes of keys and values of the longest text that is usual.
    pub(super) fn cache_bytes(sizes: &Hyperparameters) -> u64 {
        let positions = sizes.context_length.min(USUAL_LENGTH) as u64;
        let numbers = (2 * sizes.kv_heads).saturating_mul(sizes.head_dimension);
        positions.saturating_mul((numbers as u64).saturating_mul(size_of::<f32>() as u64))
    }

    fn load(
        files: &ModelFiles,
        pooling: Pooling,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let (loader, family) = Loader::of_language_model(files)?;
        if sees_what_follows(loader.source()) {
            return Err(LoadError::Unsupported(
                "a decoder whose tokens see those behind them".to_owned(),
            ));
        }
        let sizes = &loader.sizes;
        let block = BlockShape {
            block_size: options.block_size,
            kv_heads: sizes.kv_heads,
            head_dimension: sizes.head_dimension,
        };
        let usual = sizes.context_length.min(USUAL_LENGTH);
        let family = (family.load)(&loader)?;
        Ok(Self {
            pooling,
            shape: EmbeddingShape {
                vocabulary: family.vocabulary(),
                context_length: options
                    .context_length
                    .map_or(usual, |asked| asked.min(sizes.context_length)),
                dimensions: sizes.hidden,
            },
            block,
            long_text: family.long_text(),
            cache: one_layer(block, 0),
            blocks: 0,
            ended: Vec::new(),
            next_sequence: 0,
            family,
        })
    }

    /// One step for whole texts.
    fn plan(&mut self, texts: &[&[u32]]) -> StepPlan {
        let mut first_block = 0;
        let mut sequences = Vec::with_capacity(texts.len());
        for text in texts {
            let blocks = text.len().div_ceil(self.block.block_size);
            sequences.push(SequenceStep {
                sequence: SequenceId(self.next_sequence),
                tokens: text.to_vec(),
                start: 0,
                phase: Phase::Prompt,
                prompt_length: text.len(),
                block_table: (first_block..first_block + blocks)
                    .map(|block| BlockId(block as u32))
                    .collect(),
                logits: match self.pooling {
                    Pooling::Last => LogitRows::Last,
                    Pooling::First | Pooling::Mean => LogitRows::All,
                },
            });
            self.next_sequence += 1;
            first_block += blocks;
        }
        if self.blocks < first_block {
            self.blocks = first_block;
            self.cache = one_layer(self.block, first_block);
        }
        let ids = sequences.iter().map(|step| step.sequence).collect();
        let ended = std::mem::replace(&mut self.ended, ids);
        StepPlan { sequences, ended }
    }
}

impl Embed for PooledDecoder {
    fn shape(&self) -> EmbeddingShape {
        self.shape
    }

    fn embed(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ForwardError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let plan = self.plan(texts);
        let geometry = Geometry {
            vocabulary: self.shape.vocabulary,
            context_length: self.shape.context_length,
            block_size: self.block.block_size,
            block_count: self.blocks,
            long_text: self.long_text,
            shares_blocks: false,
            is_exact: true,
        };
        let batch = Batch::new(&plan, geometry)?;
        let hidden = self.family.hidden(&batch, &mut self.cache);
        let hidden = hidden.map_err(|error| ForwardError::Device(Box::new(error)))?;
        let width = self.shape.dimensions;
        let mut first = 0;
        let pooled = plan.sequences.iter().map(|step| {
            let rows = first..first + step.logit_rows() * width;
            first = rows.end;
            pool(self.pooling, &hidden[rows], width)
        });
        Ok(pooled.collect())
    }
}

/// Memory for the keys and values of one layer, which all layers use in turn: a text is computed in
/// one step, after which nobody asks for them.
fn one_layer(shape: BlockShape, blocks: usize) -> PagedCache {
    PagedCache::new(1, shape, blocks, CacheType::F32)
}

/// Whether a model was turned into an encoder (LLM2Vec and its kin).
fn sees_what_follows(source: &Source) -> bool {
    match source {
        Source::Gguf(metadata) => {
            let architecture = metadata.string("general.architecture").unwrap_or_default();
            metadata.boolean(&format!("{architecture}.attention.causal")) == Some(false)
        }
        Source::HuggingFace(directory) => {
            let says = |key: &str| directory.config.get(key).and_then(Value::as_bool);
            says("is_causal") == Some(false) || says("use_bidirectional_attention") == Some(true)
        }
    }
}
