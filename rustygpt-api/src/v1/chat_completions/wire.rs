//! The engine's nouns as the OpenAI API writes them.

use crate::answer::{Cost, Head};
use rustygpt_common::openai::{
    ChatCompletionChunk, ChoiceDelta, ChunkChoice, CompletionTokensDetails, Logprobs,
    PromptTokensDetails, TokenLogprob, TopLogprob, Usage,
};
use rustygpt_model::contract;

/// A chunk with one change, or with none.
pub(super) fn chunk(
    head: &Head,
    choice: Option<ChunkChoice>,
    usage: Option<Option<Usage>>,
) -> ChatCompletionChunk {
    ChatCompletionChunk {
        id: head.id.clone(),
        object: "chat.completion.chunk".to_owned(),
        created: head.created,
        model: head.model.clone(),
        choices: choice.into_iter().collect(),
        usage,
        system_fingerprint: Some(head.fingerprint.clone()),
        service_tier: Some("default".to_owned()),
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
pub(crate) fn finish_reason(reason: contract::FinishReason) -> String {
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
pub(crate) fn finite(logprob: f32) -> f64 {
    f64::from(logprob).max(-9999.0)
}

/// What an answer cost, as the API writes it.
pub(crate) fn usage(cost: &Cost) -> Usage {
    Usage {
        prompt_tokens: cost.prompt,
        completion_tokens: cost.completion,
        total_tokens: cost.prompt + cost.completion,
        prompt_tokens_details: PromptTokensDetails {
            cached_tokens: cost.cached(),
            audio_tokens: 0,
        },
        completion_tokens_details: CompletionTokensDetails {
            reasoning_tokens: cost.reasoning,
            accepted_prediction_tokens: cost.accepted_prediction,
            rejected_prediction_tokens: cost.rejected_prediction,
            ..CompletionTokensDetails::default()
        },
    }
}
