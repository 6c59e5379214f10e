//! Models, as `/api/tags`, `/api/show` and `/api/ps` tell of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `GET /api/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaVersion))]
pub struct Version {
    /// The version of Ollama whose dialect is spoken.
    pub version: String,
}

/// `GET /api/tags`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaModelList))]
pub struct ModelList {
    /// The models and their aliases, sorted.
    pub models: Vec<ListedModel>,
}

/// One model of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaModel))]
pub struct ListedModel {
    /// The name to put into a request's `model`.
    pub name: String,
    /// The same.
    pub model: String,
    /// Since when it can be asked for, as RFC 3339 writes it.
    pub modified_at: String,
    /// Bytes of memory that it takes while it is loaded; 0 while it is not.
    pub size: u64,
    /// Names what is known of the model; not a digest of its file.
    pub digest: String,
    /// What kind of model it is.
    pub details: Details,
}

/// What kind of model one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaDetails))]
pub struct Details {
    /// Always empty.
    pub parent_model: String,
    /// Always `gguf`: what clients know; files of other formats are read alike.
    pub format: String,
    /// The architecture's name in the file, for example `llama`.
    pub family: String,
    /// The same as a list.
    pub families: Vec<String>,
    /// Number of weights, for people: `7.6B`.
    pub parameter_size: String,
    /// The weights' prevailing type, for example `Q4_K`.
    pub quantization_level: String,
}

/// `GET /api/ps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaRunningList))]
pub struct RunningList {
    /// The models in memory, sorted.
    pub models: Vec<RunningModel>,
}

/// One model in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaRunningModel))]
pub struct RunningModel {
    /// Its id.
    pub name: String,
    /// The same.
    pub model: String,
    /// Bytes of memory that it takes.
    pub size: u64,
    /// As in the list of models.
    pub digest: String,
    /// What kind of model it is.
    pub details: Details,
    /// Always far away: the server's owner says when it goes.
    pub expires_at: String,
    /// Always 0.
    pub size_vram: u64,
    /// Tokens that prompt and answer may have together.
    pub context_length: usize,
}

/// `POST /api/show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaShowRequest))]
pub struct ShowRequest {
    /// The model's id or alias; older clients call it `name`.
    #[serde(alias = "name")]
    pub model: String,
}

/// What is known of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaModelDetails))]
pub struct ModelDetails {
    /// Always empty: there is none.
    pub modelfile: String,
    /// Always empty.
    pub parameters: String,
    /// Always empty: a model's template is its file's business.
    pub template: String,
    /// What kind of model it is.
    pub details: Details,
    /// `general.architecture`, `general.basename`, `general.parameter_count` and
    /// `ARCHITECTURE.context_length`.
    pub model_info: Map<String, Value>,
    /// `completion`, `tools`, `insert`, `embedding`.
    pub capabilities: Vec<String>,
    /// Since when it can be asked for, as RFC 3339 writes it.
    pub modified_at: String,
}
