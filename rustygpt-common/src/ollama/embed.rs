//! `POST /api/embed` and its older kin `/api/embeddings`.

use crate::openai::StringOrList;
use serde::{Deserialize, Serialize};

/// A request for the vectors of texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaEmbedRequest))]
pub struct EmbedRequest {
    /// The model's id or alias; `:latest` behind it changes nothing.
    pub model: String,
    /// One text, or a list of at most 2,048. One that is too long is refused, never cut.
    pub input: StringOrList,
    /// Numbers to keep of each vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
}

/// The vectors of texts, each of length 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaEmbedResponse))]
pub struct EmbedResponse {
    /// The model that answered.
    pub model: String,
    /// One vector per text, in the request's order.
    pub embeddings: Vec<Vec<f32>>,
    /// Nanoseconds from the request to the answer.
    pub total_duration: u64,
    /// Nanoseconds until the model was in memory; not told apart here.
    pub load_duration: u64,
    /// Tokens of all texts together.
    pub prompt_eval_count: u32,
}

/// A request for the vector of one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaEmbeddingsRequest))]
pub struct EmbeddingsRequest {
    /// The model's id or alias; `:latest` behind it changes nothing.
    pub model: String,
    /// The text.
    pub prompt: String,
}

/// The vector of one text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaEmbeddingsResponse))]
pub struct EmbeddingsResponse {
    /// The vector; its length is 1.
    pub embedding: Vec<f32>,
}
