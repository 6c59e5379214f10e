//! Models as the API lists them.

use serde::{Deserialize, Serialize};

/// `GET /v1/models`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The models, sorted by id.
    pub data: Vec<Model>,
}

/// One model, or another name of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// The name to put into a request's `model`.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// When it was loaded, in seconds since 1970.
    pub created: u64,
    /// Always `rustygpt`.
    pub owned_by: String,
    /// The model this name stands for; an extension, the id itself where it is no alias.
    #[serde(default)]
    pub root: String,
    /// Tokens that prompt and answer may have together; an extension that vLLM's clients know.
    #[serde(default)]
    pub max_model_len: Option<usize>,
}
