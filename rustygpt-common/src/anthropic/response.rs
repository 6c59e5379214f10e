//! Answers of `POST /v1/messages`: whole, and event by event.

use super::ErrorBody;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A whole answer; at the beginning of a stream one that is still empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicMessage))]
pub struct Message {
    /// `msg_…`.
    pub id: String,
    /// Always `message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always `assistant`.
    pub role: String,
    /// The model that answered.
    pub model: String,
    /// What it said, in order.
    pub content: Vec<ContentBlock>,
    /// `end_turn`, `max_tokens`, `stop_sequence` or `tool_use`; `null` while it goes on.
    pub stop_reason: Option<String>,
    /// The stop sequence that ended it, where one did.
    pub stop_sequence: Option<String>,
    /// What it cost.
    pub usage: Usage,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicContentBlock))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBlock {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Reasoning.
    Thinking {
        /// The reasoning.
        thinking: String,
        /// Always empty: nothing here is signed.
        signature: String,
    },
    /// A call the model wants made.
    ToolUse {
        /// The id that the result must repeat.
        id: String,
        /// The function.
        name: String,
        /// Its arguments; empty where the answer broke off within them, and where a stream's
        /// block begins.
        input: Map<String, Value>,
    },
}

/// What an answer cost, in tokens. Those read are the sum of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicUsage))]
pub struct Usage {
    /// Tokens read that were not found in the prefix cache.
    pub input_tokens: u64,
    /// Always 0: what is kept in the cache costs nothing.
    pub cache_creation_input_tokens: u64,
    /// Tokens found in the prefix cache.
    pub cache_read_input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// One event of a streamed answer. Its name is its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicStreamEvent))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamEvent {
    /// The answer begins.
    MessageStart {
        /// The answer, still empty.
        message: Message,
    },
    /// Keeps the line alive.
    Ping,
    /// A block begins.
    ContentBlockStart {
        /// Which block, from 0.
        index: u32,
        /// The block, still empty.
        content_block: ContentBlock,
    },
    /// A block grows.
    ContentBlockDelta {
        /// Which block.
        index: u32,
        /// What is new.
        delta: Delta,
    },
    /// A block is complete.
    ContentBlockStop {
        /// Which block.
        index: u32,
    },
    /// The answer is complete.
    MessageDelta {
        /// Why it ended.
        delta: MessageEnd,
        /// What it cost altogether.
        usage: Usage,
    },
    /// Nothing follows.
    MessageStop,
    /// The answer could not go on; nothing follows.
    Error {
        /// What went wrong.
        error: ErrorBody,
    },
}

impl StreamEvent {
    /// The event's name, which is its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::Ping => "ping",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Error { .. } => "error",
        }
    }
}

/// What is new of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicDelta))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Delta {
    /// More text.
    TextDelta {
        /// The text.
        text: String,
    },
    /// More reasoning.
    ThinkingDelta {
        /// The reasoning.
        thinking: String,
    },
    /// More of a call's arguments.
    InputJsonDelta {
        /// The next piece of their JSON text.
        partial_json: String,
    },
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicMessageEnd))]
pub struct MessageEnd {
    /// As in [`Message`].
    pub stop_reason: Option<String>,
    /// As in [`Message`].
    pub stop_sequence: Option<String>,
}
