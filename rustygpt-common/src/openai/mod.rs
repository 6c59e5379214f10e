//! The OpenAI dialect: a lenient reader (unknown keys are ignored, `null` is the same as absent)
//! and a strict writer (every key the official clients expect is written, `null` where there is
//! nothing to say).

mod chat_request;
mod chat_response;
mod completions;
mod embeddings;
mod error;
mod message;
mod models;
mod tokens;
mod tools;
pub(crate) mod union;

pub use chat_request::{
    ChatRequest, JsonSchemaFormat, Prediction, ReasoningOptions, ResponseFormat, StreamOptions,
};
pub use chat_response::{
    AssistantMessage, ChatCompletion, ChatCompletionChunk, Choice, ChoiceDelta, ChunkChoice,
    CompletionTokensDetails, Logprobs, PromptTokensDetails, ResponseToolCall, TokenLogprob,
    ToolCallDelta, ToolCallDeltaFunction, TopLogprob, Usage,
};
pub use completions::{Completion, CompletionChoice, CompletionLogprobs, CompletionRequest};
pub use embeddings::{
    EmbeddingsEntry, EmbeddingsInput, EmbeddingsItem, EmbeddingsRequest, EmbeddingsResponse,
    EmbeddingsUsage, EmbeddingsVector,
};
pub use error::{ErrorBody, ErrorEnvelope};
pub use message::{
    Content, ContentPart, ImageUrl, InputAudio, RequestMessage, RequestToolCall,
    RequestToolCallFunction,
};
pub use models::{Model, ModelList};
pub use tokens::{
    DetokenizeRequest, DetokenizeResponse, RenderedPrompt, TokenizeRequest, TokenizeResponse,
};
pub use tools::{
    AllowedTools, FunctionDefinition, NamedFunction, NamedTool, RequestTool, ToolChoice,
    ToolChoiceObject,
};
pub use union::StringOrList;
