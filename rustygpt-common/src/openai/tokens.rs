//! Tokens and texts: `/v1/tokenize` and `/v1/detokenize` as vLLM's clients know them,
//! `/v1/apply-template` as llama.cpp's do.

use super::{RequestMessage, RequestTool};
use serde::{Deserialize, Serialize};

/// A text, or a conversation, to split into tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenizeRequest {
    /// The model's id or alias.
    pub model: String,
    /// The text; either this or `messages`. llama.cpp's clients call it `content`.
    #[serde(default, alias = "content", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The conversation, rendered by the model's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<RequestMessage>>,
    /// Functions that the template shows the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<RequestTool>>,
    /// Whether a text begins as prompts of this model do; true unless said otherwise.
    #[serde(
        default,
        alias = "add_special",
        skip_serializing_if = "Option::is_none"
    )]
    pub add_special_tokens: Option<bool>,
    /// Whether to tell the tokens' texts too.
    #[serde(
        default,
        alias = "with_pieces",
        skip_serializing_if = "Option::is_none"
    )]
    pub return_token_strs: Option<bool>,
}

/// The tokens of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenizeResponse {
    /// How many there are.
    pub count: usize,
    /// Tokens that prompt and answer may have together.
    pub max_model_len: usize,
    /// Their ids.
    pub tokens: Vec<u32>,
    /// Their texts, where they were asked for; bytes that are no whole character as U+FFFD.
    pub token_strs: Option<Vec<String>>,
}

/// Tokens to join to a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DetokenizeRequest {
    /// The model's id or alias.
    pub model: String,
    /// The tokens' ids.
    pub tokens: Vec<u32>,
}

/// The text of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DetokenizeResponse {
    /// The text, without control tokens; bytes that are no whole character as U+FFFD.
    pub prompt: String,
}

/// A conversation as its model reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RenderedPrompt {
    /// The text, control tokens by their names.
    pub prompt: String,
}
