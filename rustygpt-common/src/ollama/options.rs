//! What requests to chat and to generate have in common, and what their answers end with.

use crate::openai::StringOrList;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How to generate. Ollama's other options say how to load a model; they have no effect here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaOptions))]
pub struct Options {
    /// At most this many tokens; below 0 the rest of the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_predict: Option<i64>,
    /// 0 takes the likeliest token; 0 ..= 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Keep this many likeliest tokens; 0 keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i32>,
    /// Nucleus sampling; 0 < p ≤ 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Keep tokens at least this fraction as likely as the likeliest; 0 ..= 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Locally typical sampling; 0 < p ≤ 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Start of the random stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StringOrList>,
    /// Makes tokens already seen less likely; 0 < r ≤ 10, 1 is neutral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// −2 ..= 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// −2 ..= 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Positions a request may have; has no effect: the model's context is never cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_ctx: Option<u32>,
}

/// Whether a reasoning model thinks, and how hard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaThink))]
#[serde(untagged)]
pub enum Think {
    /// Whether.
    Whether(bool),
    /// How hard: `low`, `medium` or `high`.
    Level(String),
}

impl<'de> Deserialize<'de> for Think {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl Visitor<'_> for Shapes {
            type Value = Think;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("true, false or a level")
            }
            fn visit_bool<E: Error>(self, whether: bool) -> Result<Think, E> {
                Ok(Think::Whether(whether))
            }
            fn visit_str<E: Error>(self, level: &str) -> Result<Think, E> {
                Ok(Think::Level(level.to_owned()))
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

/// What an answer took, at its end. Durations are in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OllamaTotals))]
pub struct Totals {
    /// From the request to the last token.
    pub total_duration: u64,
    /// Until the model was in memory.
    pub load_duration: u64,
    /// Tokens read.
    pub prompt_eval_count: u64,
    /// Until the first token.
    pub prompt_eval_duration: u64,
    /// Tokens written.
    pub eval_count: u64,
    /// From the first token to the last.
    pub eval_duration: u64,
}
