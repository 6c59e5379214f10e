//! [`GenerationEvent`]: what an answer is made of, in the order it happens.

use serde::{Deserialize, Serialize};

/// One thing that happened to one choice of a request.
///
/// For each choice the order is: any number of content events, then exactly one
/// [`GenerationEvent::Finish`]. After the last choice's finish the stream ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GenerationEvent {
    /// Text of the answer. Never empty, never part of a UTF-8 sequence, never part of a stop
    /// string.
    Text {
        /// Which choice, from 0.
        choice: u32,
        /// The new text.
        text: String,
        /// The tokens that made it, when log-probabilities were asked for.
        logprobs: Vec<TokenLogprob>,
    },
    /// Text of the model's reasoning, apart from its answer.
    Reasoning {
        /// Which choice, from 0.
        choice: u32,
        /// The new text.
        text: String,
        /// The tokens that made it, when log-probabilities were asked for.
        logprobs: Vec<TokenLogprob>,
    },
    /// A tool call begins; its name is known.
    ToolCallBegin {
        /// Which choice, from 0.
        choice: u32,
        /// Which call of this choice, from 0.
        call: u32,
        /// The id a tool message answers to.
        id: String,
        /// The function's name.
        name: String,
    },
    /// More of a call's arguments.
    ToolCallArguments {
        /// Which choice, from 0.
        choice: u32,
        /// Which call of this choice, from 0.
        call: u32,
        /// The next piece of the JSON text.
        json: String,
    },
    /// A call is complete.
    ToolCallEnd {
        /// Which choice, from 0.
        choice: u32,
        /// Which call of this choice, from 0.
        call: u32,
    },
    /// A choice ended.
    Finish {
        /// Which choice, from 0.
        choice: u32,
        /// Why.
        reason: FinishReason,
        /// The stop string that ended it, where one did.
        stop_string: Option<String>,
        /// What this choice cost.
        usage: Usage,
    },
    /// The engine could not go on; nothing follows.
    Failed {
        /// What to tell the client.
        message: String,
    },
}

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishReason {
    /// The model ended its turn, or a stop string came.
    Stop,
    /// `max_tokens` or the end of the context was reached.
    Length,
    /// The answer is one or more tool calls.
    ToolCalls,
    /// The request's deadline passed.
    Deadline,
}

/// What one choice cost, in tokens of the model's own tokenizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Of those, tokens whose keys and values were found in the prefix cache.
    pub cached_tokens: u32,
    /// Tokens written, the ending token included.
    pub completion_tokens: u32,
    /// Of those, tokens of reasoning.
    pub reasoning_tokens: u32,
    /// Tokens of the client's prediction that came true when they were verified.
    pub accepted_prediction_tokens: u32,
    /// Tokens of the client's prediction that were verified in vain.
    pub rejected_prediction_tokens: u32,
}

/// The log-probability of one generated token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's id.
    pub id: u32,
    /// Its bytes; not always valid UTF-8 on their own.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability under the model's unmodified distribution.
    pub logprob: f32,
    /// The likeliest tokens at this position, likeliest first.
    pub top: Vec<TopLogprob>,
}

/// One of the likeliest tokens at a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// The token's id.
    pub id: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
}
