//! Answers of `POST /v1/chat/completions`.

use serde::{Deserialize, Deserializer, Serialize};

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatCompletion {
    /// `chatcmpl-…`.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// The answers, by index.
    pub choices: Vec<Choice>,
    /// What they cost together.
    pub usage: Option<Usage>,
    /// Names the model file and the build; the same answer can only be expected of the same one.
    pub system_fingerprint: Option<String>,
    /// Always `default`.
    pub service_tier: Option<String>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Choice {
    /// Which answer, from 0.
    pub index: u32,
    /// The answer.
    pub message: AssistantMessage,
    /// Its tokens, where log-probabilities were asked for.
    pub logprobs: Option<Logprobs>,
    /// `stop`, `length` or `tool_calls`.
    pub finish_reason: String,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: String,
    /// The text; `null` where there are only tool calls.
    pub content: Option<String>,
    /// Always `null`: refusals come as text.
    pub refusal: Option<String>,
    /// Sources; always empty.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub annotations: Vec<serde_json::Value>,
    /// The reasoning before the answer, where the model's template separates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls the model wants made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ResponseToolCall>>,
}

/// A call the model wants made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResponseToolCall {
    /// The id that the tool's message must repeat.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function and its arguments.
    pub function: ToolCallDeltaFunction,
}

/// One piece of a streamed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatCompletionChunk {
    /// The same in every chunk.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// The same in every chunk.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// The change; empty only in the usage chunk.
    pub choices: Vec<ChunkChoice>,
    /// Absent unless asked for; then `null` until the last chunk.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Usage>))]
    pub usage: Option<Option<Usage>>,
    /// As in [`ChatCompletion`].
    pub system_fingerprint: Option<String>,
    /// As in [`ChatCompletion`].
    pub service_tier: Option<String>,
}

/// A change of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChunkChoice {
    /// Which answer, from 0.
    pub index: u32,
    /// The change.
    pub delta: ChoiceDelta,
    /// The tokens of this change, where log-probabilities were asked for.
    pub logprobs: Option<Logprobs>,
    /// Why the answer ended, in its last chunk.
    pub finish_reason: Option<String>,
}

/// What is new; absent means unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChoiceDelta {
    /// `assistant`, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// More text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// `null`, in the first chunk.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub refusal: Option<Option<String>>,
    /// More reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More of a tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallDelta>>,
}

/// More of a tool call. Id, type and name come once, in the call's first delta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolCallDelta {
    /// Which call of the answer, from 0.
    pub index: u32,
    /// The id that the tool's message must repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is new of the function.
    pub function: ToolCallDeltaFunction,
}

/// A function's name and arguments, whole or in pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolCallDeltaFunction {
    /// The function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON text, or the next piece of it.
    #[serde(default)]
    pub arguments: String,
}

/// Tokens with their log-probabilities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Logprobs {
    /// The tokens of the content.
    pub content: Option<Vec<TokenLogprob>>,
    /// Always `null`.
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// One token of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenLogprob {
    /// Its text; bytes that are not UTF-8 on their own are replaced.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at its position, likeliest first.
    pub top_logprobs: Vec<TopLogprob>,
}

/// One of the likeliest tokens at a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopLogprob {
    /// Its text; bytes that are not UTF-8 on their own are replaced.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
}

/// What a request cost, in tokens of the model's own tokenizer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Tokens read, once for all choices.
    pub prompt_tokens: u64,
    /// Tokens written, for all choices together.
    pub completion_tokens: u64,
    /// The sum of the two.
    pub total_tokens: u64,
    /// More about the prompt.
    #[serde(default)]
    pub prompt_tokens_details: PromptTokensDetails,
    /// More about the answers.
    #[serde(default)]
    pub completion_tokens_details: CompletionTokensDetails,
}

/// More about the prompt's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct PromptTokensDetails {
    /// Tokens that an earlier request had already computed.
    pub cached_tokens: u64,
    /// Always 0.
    pub audio_tokens: u64,
}

/// More about the answers' tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CompletionTokensDetails {
    /// Tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Always 0.
    pub audio_tokens: u64,
    /// Tokens of the prediction that came true.
    pub accepted_prediction_tokens: u64,
    /// Tokens of the prediction that did not.
    pub rejected_prediction_tokens: u64,
}

/// Tells a `null` that is there from an absent key.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
