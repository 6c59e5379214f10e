//! Texts become vectors: what is asked ([`EmbeddingRequest`]), what answers ([`Embeddings`]) and
//! the model behind it ([`Embed`]).

use super::ForwardError;
use serde::{Deserialize, Serialize};

/// Which of a text's token vectors becomes the vector of the text. A model's own files say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean of all tokens (Reimers and Gurevych, "Sentence-BERT", 2019).
    Mean,
    /// The first token, which BERT's kin call `[CLS]`.
    First,
    /// The last token, which in a decoder is the only one that has seen the others.
    Last,
}

impl Pooling {
    /// The name people know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::First => "cls",
            Self::Last => "last",
        }
    }
}

/// What a model that embeds takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddingShape {
    /// Token ids are below it.
    pub vocabulary: usize,
    /// Tokens that one text may have, those of its frame included.
    pub context_length: usize,
    /// Numbers in a vector.
    pub dimensions: usize,
}

/// A model that turns texts into vectors. It keeps nothing between calls, and the vector of a text
/// does not depend on which other texts share a call.
pub trait Embed: Send {
    /// What it takes and gives.
    fn shape(&self) -> EmbeddingShape;

    /// One pooled vector per text, in order, of whatever length the model gives them. No text is
    /// empty or longer than the context.
    ///
    /// # Errors
    /// [`ForwardError`] when a text does not fit the model, or the device failed.
    fn embed(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ForwardError>;
}

/// A text to embed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EmbeddingInput {
    /// Plain text; the model's tokenizer puts its frame around it. Not empty.
    Text(String),
    /// Token ids, taken as they are. Not empty.
    Tokens(Vec<u32>),
}

/// Texts that are to become vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingRequest {
    /// The texts; at least one.
    pub inputs: Vec<EmbeddingInput>,
    /// How many numbers to keep of each vector; `None` keeps all. Only vectors of models that were
    /// trained for it stay meaningful (Kusupati et al., "Matryoshka Representation Learning", 2022).
    pub dimensions: Option<usize>,
}

/// The vectors of a request's texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embeddings {
    /// One vector of length 1 per text, in the request's order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts together.
    pub prompt_tokens: u32,
}
