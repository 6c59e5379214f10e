//! `POST /api/generate`, as clients send it and as it is answered.

use super::{Options, Think, Totals};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request to go on with a text. Types only; bounds are checked at the server's edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaGenerateRequest))]
pub struct GenerateRequest {
    /// The model's id or alias; `:latest` behind it changes nothing.
    pub model: String,
    /// What the person says; without it the model is only loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What stands behind the answer: the model fills in the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Instructions of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Refused: templates come with models, never from requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whether the prompt is read as it is, without the model's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
    /// Pictures in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// What shape the answer must have: `json` or a JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// How to generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
    /// Whether the answer comes piece by piece; it does unless told not to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Whether a reasoning model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// How long the model should stay in memory; has no effect: the server's owner says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Value>,
}

/// A whole answer, or a piece of a streamed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaGenerateResponse))]
pub struct GenerateResponse {
    /// The model that answers.
    pub model: String,
    /// When, as RFC 3339 writes it.
    pub created_at: String,
    /// What is said, or what is new of it.
    pub response: String,
    /// The reasoning, or what is new of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Whether nothing follows.
    pub done: bool,
    /// `stop`, `length` or `load`, where nothing follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_reason: Option<String>,
    /// What it took, where nothing follows.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
}
