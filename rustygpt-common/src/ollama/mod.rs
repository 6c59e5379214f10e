//! Ollama's dialect: a lenient reader and a strict writer, as in [`crate::openai`].

mod chat;
mod embed;
mod generate;
mod models;
mod options;

pub use chat::{ChatRequest, ChatResponse, Message, ToolCall, ToolCallFunction};
pub use embed::{EmbedRequest, EmbedResponse, EmbeddingsRequest, EmbeddingsResponse};
pub use generate::{GenerateRequest, GenerateResponse};
pub use models::{
    Details, ListedModel, ModelDetails, ModelList, RunningList, RunningModel, ShowRequest, Version,
};
pub use options::{Options, Think, Totals};

use serde::{Deserialize, Serialize};

/// What every failed request is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaError))]
pub struct ErrorResponse {
    /// A sentence for a person.
    pub error: String,
}
