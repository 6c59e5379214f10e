//! Anthropic's dialect: a lenient reader and a strict writer, as in [`crate::openai`].

mod error;
mod request;
mod response;

pub use error::{ErrorBody, ErrorResponse, error_type};
pub use request::{
    CountTokensResponse, InputBlock, InputContent, InputMessage, MessagesRequest, OutputConfig,
    OutputFormat, Source, Thinking, ToolChoice, ToolDefinition,
};
pub use response::{ContentBlock, Delta, Message, MessageEnd, StreamEvent, Usage};
