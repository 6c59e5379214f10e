//! `POST /v1/completions`, as clients send it and as it is answered.

use super::{EmbeddingsInput, StreamOptions, StringOrList, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request to go on with texts. Types only; bounds are checked at the server's edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompletionRequest {
    /// The model's id or alias.
    pub model: String,
    /// What to go on with: a text, token ids, or a list of either; at most 64 answers together.
    pub prompt: EmbeddingsInput,
    /// What stands behind the answer: the model fills in the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// At most this many tokens per choice; 16 unless said otherwise, as OpenAI has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How many answers per prompt; 1 ..= 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// How many answers to write per prompt, of which the `n` likeliest per token are given;
    /// `n` ..= 8. More than `n` cannot be streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u32>,
    /// Whether each answer begins with its prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// How many of the likeliest tokens to report at each place; 0 ..= 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
    /// Whether the answer comes as server-sent events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// What the stream carries beside the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// 0 takes the likeliest token; 0 ..= 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling; 0 < p ≤ 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Keep this many likeliest tokens; 0 or −1 keeps all. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i32>,
    /// Keep tokens at least this fraction as likely as the likeliest; 0 ..= 1. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Locally typical sampling; 0 < p ≤ 1. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Makes tokens already seen less likely; 0 < r ≤ 10, 1 is neutral. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// −2 ..= 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// −2 ..= 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Token id → −100 ..= 100; at most 1,024 entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Start of the random stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StringOrList>,
    /// Tokens that end the answer; at most 1,024. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_token_ids: Option<Vec<u32>>,
    /// Ending tokens are not chosen before this many tokens. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_tokens: Option<u32>,
    /// Go on past the model's ending tokens. An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
}

impl CompletionRequest {
    /// The keys this type reads; a client's other keys have no effect.
    pub const KEYS: [&'static str; 24] = [
        "model",
        "prompt",
        "suffix",
        "max_tokens",
        "n",
        "best_of",
        "echo",
        "logprobs",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "typical_p",
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "seed",
        "stop",
        "stop_token_ids",
        "min_tokens",
        "ignore_eos",
    ];
}

/// A whole answer, or a piece of a streamed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Completion {
    /// `cmpl-…`.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// The answers, those of the first prompt first.
    pub choices: Vec<CompletionChoice>,
    /// What they cost together. In a stream absent unless asked for; then `null` until the last
    /// piece.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::chat_response::present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Usage>))]
    pub usage: Option<Option<Usage>>,
    /// Names the model file and the build.
    pub system_fingerprint: Option<String>,
}

/// One answer, or what is new of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompletionChoice {
    /// The text.
    pub text: String,
    /// Which answer, from 0: those of the first prompt come first.
    pub index: u32,
    /// Its tokens, where log-probabilities were asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// `stop` or `length`; `null` while it goes on.
    pub finish_reason: Option<String>,
}

/// Tokens with their log-probabilities: four lists of one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompletionLogprobs {
    /// The tokens' texts; one that is no whole character is written `bytes:\xe2\x98`.
    pub tokens: Vec<String>,
    /// Natural logarithms of their probabilities.
    pub token_logprobs: Vec<f64>,
    /// The likeliest tokens at each place with theirs.
    pub top_logprobs: Vec<BTreeMap<String, f64>>,
    /// Where each token begins in the answer's text, in characters.
    pub text_offset: Vec<u64>,
}
