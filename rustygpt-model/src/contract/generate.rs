//! [`GenerateRequest`]: everything the engine may be asked, as plain serialisable data.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One request for one or more answers from one model.
///
/// Built only at an edge (`rustygpt-api`'s `validate`, the command line), where every bound has
/// been checked; past the edge no field is checked again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// What the model reads.
    pub input: Input,
    /// What shape the answer must have.
    pub grammar: Option<Grammar>,
    /// How the next token is chosen; unset fields fall back to the model's own defaults.
    pub sampling: Sampling,
    /// When the answer ends.
    pub limits: Limits,
    /// How many answers, each with its own random stream. At least 1.
    pub choices: u32,
    /// How many of the likeliest tokens to report at each position; `None` reports nothing,
    /// `Some(0)` only the chosen token's log-probability.
    pub logprobs: Option<u8>,
    /// Text the client expects to see again (OpenAI's `prediction`): a hint for speculation,
    /// never a change of the answer.
    pub prediction: Option<String>,
    /// Who goes first when the engine is busy.
    pub priority: Priority,
    /// How long the whole request may take before it ends with what it has.
    pub deadline: Option<Duration>,
    /// Keeps one tenant's cached prefixes invisible to another's timing.
    pub cache_salt: CacheSalt,
}

/// What the model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A conversation, rendered by the model's own chat template.
    Chat {
        /// The turns so far, oldest first.
        messages: Vec<Message>,
        /// Functions the model may call.
        tools: Vec<Tool>,
        /// Which of them it must, may or may not call.
        tool_choice: ToolChoice,
        /// Whether one answer may hold several calls.
        allows_parallel_calls: bool,
        /// Further variables of the template.
        template: TemplateOptions,
    },
    /// Bare text, tokenised as it is.
    Text(String),
    /// Token ids, taken as they are.
    Tokens(Vec<u32>),
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<ContentPart>,
    /// The speaker's name, where the client gave one.
    pub name: Option<String>,
    /// Calls the assistant made in this turn.
    pub tool_calls: Vec<ToolCall>,
    /// The call this turn answers (role [`Role::Tool`]).
    pub tool_call_id: Option<String>,
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the application (OpenAI's `developer` is the same).
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The name templates and wires use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One piece of a [`Message`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContentPart {
    /// Plain text.
    Text(String),
    /// The model's earlier private reasoning, separated from its answer.
    Reasoning(String),
    /// An image: a `data:` URL or an address the client gave. What a model cannot take is
    /// refused with [`super::ModelError::Unsupported`].
    Image {
        /// The address as the client sent it.
        url: String,
    },
    /// Sound, base64 as the client sent it.
    Audio {
        /// The encoded bytes.
        data: String,
        /// `wav` or `mp3`.
        format: String,
    },
}

/// A function the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The function's name, unique within the request.
    pub name: String,
    /// What it does, for the model to read.
    pub description: Option<String>,
    /// Its arguments as a JSON Schema; an object, or absent.
    pub parameters: Option<serde_json::Value>,
    /// Whether the arguments must match the schema exactly.
    pub strict: Option<bool>,
}

/// Which tools may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No call.
    None,
    /// At least one call.
    Required,
    /// Exactly this function, once.
    Function(String),
    /// These functions only; the model is told of the others too.
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// Whether there must be a call.
        is_required: bool,
    },
}

/// A call the assistant made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id that the answering message repeats.
    pub id: String,
    /// The function called.
    pub name: String,
    /// Its arguments, as the JSON text the model wrote.
    pub arguments: String,
}

/// Variables of the chat template beyond the messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TemplateOptions {
    /// The client's `chat_template_kwargs`, for example `enable_thinking`.
    pub variables: BTreeMap<String, serde_json::Value>,
    /// Whether the last assistant message is to be continued instead of a new one begun.
    pub continue_final_message: bool,
}

/// What shape the answer must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that matches this schema.
    JsonSchema(serde_json::Value),
    /// A regular expression over the whole answer.
    Regex(String),
    /// A Lark grammar in llguidance's dialect.
    Lark(String),
}

/// How the next token is chosen. An unset field means: the model's own default, else neutral.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token. 0 ..= 2 at the OpenAI edge.
    pub temperature: Option<f32>,
    /// Nucleus sampling: the smallest set of likeliest tokens with at least this mass. 0 < p ≤ 1.
    pub top_p: Option<f32>,
    /// Keep this many likeliest tokens; 0 keeps all.
    pub top_k: Option<u32>,
    /// Keep tokens at least this fraction as likely as the likeliest. 0 ..= 1.
    pub min_p: Option<f32>,
    /// Locally typical sampling (Meister et al., 2022). 0 < p ≤ 1.
    pub typical_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens already seen, prompt included
    /// (Keskar et al., 2019). 1 is neutral.
    pub repetition_penalty: Option<f32>,
    /// Subtracted once per earlier occurrence in the answer. −2 ..= 2.
    pub frequency_penalty: Option<f32>,
    /// Subtracted once if the token occurred in the answer. −2 ..= 2.
    pub presence_penalty: Option<f32>,
    /// Added to the logits of single tokens, −100 ..= 100.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Start of the random stream; unset draws one.
    pub seed: Option<u64>,
}

/// When an answer ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// At most this many tokens per choice; unset means the rest of the context.
    pub max_tokens: Option<u32>,
    /// Ending tokens are not chosen before this many tokens.
    pub min_tokens: u32,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Tokens that end the answer, beside the model's own.
    pub stop_token_ids: Vec<u32>,
    /// Go on past the model's ending tokens (for benchmarks).
    pub ignore_eos: bool,
}

/// Who goes first when the engine is busy.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// Work nobody waits for.
    Background,
    /// Someone is watching.
    #[default]
    Interactive,
}

/// Separates the prefix caches of tenants. Derived on the server from who is asking, never taken
/// from a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CacheSalt(pub [u8; 32]);
