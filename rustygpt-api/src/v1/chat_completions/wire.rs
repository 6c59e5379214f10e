//! The engine's nouns as the OpenAI API writes them.

use rustygpt_common::openai::{
    ChatCompletionChunk, ChoiceDelta, ChunkChoice, CompletionTokensDetails, Logprobs,
    PromptTokensDetails, TokenLogprob, TopLogprob, Usage,
};
use rustygpt_model::contract;

/// What every object of one answer repeats.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) fingerprint: String,
}

impl Head {
    /// A chunk with one change, or with none.
    pub(super) fn chunk(
        &self,
        choice: Option<ChunkChoice>,
        usage: Option<Option<Usage>>,
    ) -> ChatCompletionChunk {
        ChatCompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices: choice.into_iter().collect(),
            usage,
            system_fingerprint: Some(self.fingerprint.clone()),
            service_tier: Some("default".to_owned()),
        }
    }
}

/// A change of one choice.
pub(super) fn change(index: u32, delta: ChoiceDelta) -> ChunkChoice {
    ChunkChoice {
        index,
        delta,
        logprobs: None,
        finish_reason: None,
    }
}

/// Why a choice ended.
pub(super) fn finish_reason(reason: contract::FinishReason) -> String {
    let reason = match reason {
        contract::FinishReason::Stop => "stop",
        contract::FinishReason::Length | contract::FinishReason::Deadline => "length",
        contract::FinishReason::ToolCalls => "tool_calls",
    };
    reason.to_owned()
}

/// Tokens with their log-probabilities; `None` when there are none to tell of.
pub(super) fn logprobs(tokens: Vec<contract::TokenLogprob>) -> Option<Logprobs> {
    if tokens.is_empty() {
        return None;
    }
    let content = tokens.into_iter().map(token_logprob).collect();
    Some(Logprobs {
        content: Some(content),
        refusal: None,
    })
}

/// One token with its log-probability.
pub(super) fn token_logprob(token: contract::TokenLogprob) -> TokenLogprob {
    let top_logprobs = token.top.into_iter().map(|top| TopLogprob {
        token: text_of(&top.bytes),
        logprob: finite(top.logprob),
        bytes: Some(top.bytes),
    });
    TokenLogprob {
        token: text_of(&token.bytes),
        logprob: finite(token.logprob),
        top_logprobs: top_logprobs.collect(),
        bytes: Some(token.bytes),
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// JSON has no infinity; OpenAI writes −9999 for what is all but impossible.
fn finite(logprob: f32) -> f64 {
    f64::from(logprob).max(-9999.0)
}

/// The cost of all choices: the prompt is counted once.
#[derive(Default)]
pub(super) struct Cost {
    prompt: u64,
    /// The least of all choices': a later choice finds what the first one read.
    cached: Option<u64>,
    accepted_prediction: u64,
    rejected_prediction: u64,
    completion: u64,
    reasoning: u64,
}

impl Cost {
    /// A prompt of this many tokens, no answer yet.
    pub(super) fn of_prompt(tokens: u32) -> Self {
        Self {
            prompt: u64::from(tokens),
            ..Self::default()
        }
    }

    /// Adds what one choice cost.
    pub(super) fn add(&mut self, usage: contract::Usage) {
        let cached = u64::from(usage.cached_tokens);
        self.cached = Some(self.cached.map_or(cached, |least| least.min(cached)));
        self.accepted_prediction += u64::from(usage.accepted_prediction_tokens);
        self.rejected_prediction += u64::from(usage.rejected_prediction_tokens);
        self.completion += u64::from(usage.completion_tokens);
        self.reasoning += u64::from(usage.reasoning_tokens);
    }

    /// The cost as the API writes it.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt,
            completion_tokens: self.completion,
            total_tokens: self.prompt + self.completion,
            prompt_tokens_details: PromptTokensDetails {
                cached_tokens: self.cached.unwrap_or(0),
                audio_tokens: 0,
            },
            completion_tokens_details: CompletionTokensDetails {
                reasoning_tokens: self.reasoning,
                accepted_prediction_tokens: self.accepted_prediction,
                rejected_prediction_tokens: self.rejected_prediction,
                ..CompletionTokensDetails::default()
            },
        }
    }
}
