//! [`ModelDescription`]: what is known of a loaded model.

use super::{Pooling, Sampling};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is known of a loaded model. No secrets, no weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelDescription {
    /// The id clients use.
    pub id: String,
    /// The file or folder it came from.
    pub path: PathBuf,
    /// What it is for.
    pub kind: ModelKind,
    /// The architecture's name in the file, for example `llama`.
    pub architecture: String,
    /// The weights' prevailing type, for example `Q4_K` or `BF16`.
    pub quantization: String,
    /// Number of weights.
    pub parameters: u64,
    /// Bytes of weights in the file.
    pub weight_bytes: u64,
    /// Positions the model was trained for.
    pub trained_context_length: usize,
    /// Positions a request may have here.
    pub context_length: usize,
    /// Length of a row of logits.
    pub vocabulary: usize,
    /// Whether the model has a chat template of its own.
    pub has_chat_template: bool,
    /// Sampling and stop defaults of the model's own files.
    pub defaults: GenerationDefaults,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelKind {
    /// It goes on with a text, a conversation among them.
    Language,
    /// It turns a text into a vector.
    Embedding {
        /// Numbers in a vector.
        dimensions: usize,
        /// How the vectors of a text's tokens become one.
        pooling: Pooling,
    },
}

impl ModelKind {
    /// The name people know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Embedding { .. } => "embedding",
        }
    }
}

/// What the model's own files say about how to generate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerationDefaults {
    /// Sampling values, where the files name any.
    pub sampling: Sampling,
    /// Tokens that end a turn, beside the tokenizer's own.
    pub stop_token_ids: Vec<u32>,
}
