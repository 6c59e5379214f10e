//! A model without weights that embeds, under the real engine.

use super::Gate;
use super::gate::Passage;
use crate::contract::{
    Embed, EmbeddingShape, ForwardError, GenerationDefaults, ModelDescription, ModelError,
    ModelKind, Pooling,
};
use crate::engine::{EmbeddingModel, EmbeddingOptions, EmbeddingParts};
use crate::tokenizer::Tokenizer;
use std::path::PathBuf;
use std::sync::Arc;

/// Numbers in a vector.
const DIMENSIONS: usize = 8;
/// Tokens, which are bytes, that a text may have.
const CONTEXT_LENGTH: usize = 1024;

/// Counts a text's tokens by the remainder of their division by 8.
struct Counting {
    gate: Option<Passage>,
}

impl Embed for Counting {
    fn shape(&self) -> EmbeddingShape {
        EmbeddingShape {
            vocabulary: 259,
            context_length: CONTEXT_LENGTH,
            dimensions: DIMENSIONS,
        }
    }

    fn embed(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ForwardError> {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        let count = |text: &&[u32]| {
            let mut vector = vec![0.0; DIMENSIONS];
            for &token in *text {
                vector[token as usize % DIMENSIONS] += 1.0;
            }
            vector
        };
        Ok(texts.iter().map(count).collect())
    }
}

/// Starts the engine on a model whose vector of a text counts the text's bytes by the remainder of
/// their division by 8, made to length 1. `gate` lets its passes happen one by one.
///
/// # Errors
/// [`ModelError::Internal`] when the operating system gives no thread.
pub fn scripted_embedder(
    id: &str,
    gate: Option<&Gate>,
    options: EmbeddingOptions,
) -> Result<EmbeddingModel, ModelError> {
    let model = Counting {
        gate: gate.map(Gate::passage),
    };
    let shape = model.shape();
    let description = ModelDescription {
        id: id.to_owned(),
        path: PathBuf::from("scripted"),
        kind: ModelKind::Embedding {
            dimensions: shape.dimensions,
            pooling: Pooling::Mean,
        },
        architecture: "scripted".to_owned(),
        quantization: "none".to_owned(),
        parameters: 0,
        weight_bytes: 0,
        trained_context_length: shape.context_length,
        context_length: shape.context_length,
        vocabulary: shape.vocabulary,
        has_chat_template: false,
        defaults: GenerationDefaults::default(),
    };
    EmbeddingModel::start(EmbeddingParts {
        description,
        model: Box::new(model),
        tokenizer: Arc::new(Tokenizer::bytes()),
        options,
    })
}
