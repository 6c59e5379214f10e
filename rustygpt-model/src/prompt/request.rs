//! [`RenderRequest`]: what a template is rendered with.

use crate::contract::{Input, ModelError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a template is rendered with, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RenderRequest {
    /// The conversation, as the dictionaries a template reads.
    pub messages: Vec<Value>,
    /// The tools, as OpenAI's `{"type":"function","function":{…}}`; `None` leaves the variable
    /// null.
    pub tools: Option<Vec<Value>>,
    /// Further variables (`bos_token`, `enable_thinking`, …).
    pub variables: Map<String, Value>,
    /// Whether the beginning of the assistant's turn is appended.
    pub add_generation_prompt: bool,
    /// Whether the last message is left open.
    pub continue_final_message: bool,
}

impl RenderRequest {
    /// Reads an OpenAI-shaped request; messages are passed on verbatim, only tool calls' arguments
    /// are decoded.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] naming the field that is wrong.
    pub fn from_openai_json(_request: &Value) -> Result<Self, ModelError> {
        Ok(Self::default())
    }

    /// Reads the engine's input; `None` unless it is a conversation.
    #[must_use]
    pub fn from_input(_input: &Input) -> Option<Self> {
        None
    }
}
