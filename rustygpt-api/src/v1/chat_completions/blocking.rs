//! A whole answer in one object.

use super::wire::{finish_reason, token_logprob, usage};
use crate::answer::{Call, Complete, Said};
use rustygpt_common::openai::{
    AssistantMessage, ChatCompletion, Choice, Logprobs, ResponseToolCall, ToolCallDeltaFunction,
};

/// The whole answer.
pub(super) fn completion(complete: Complete, wants_logprobs: bool) -> ChatCompletion {
    let Complete {
        head, said, cost, ..
    } = complete;
    let choices = said.into_iter().zip(0..);
    ChatCompletion {
        id: head.id,
        object: "chat.completion".to_owned(),
        created: head.created,
        model: head.model,
        choices: choices
            .map(|(said, index)| choice(said, index, wants_logprobs))
            .collect(),
        usage: Some(usage(&cost)),
        system_fingerprint: Some(head.fingerprint),
        service_tier: Some("default".to_owned()),
    }
}

fn choice(said: Said, index: u32, wants_logprobs: bool) -> Choice {
    let text = said.text();
    let calls: Vec<ResponseToolCall> = said.calls().map(call).collect();
    let has_only_calls = text.is_empty() && !calls.is_empty();
    Choice {
        index,
        message: AssistantMessage {
            role: "assistant".to_owned(),
            content: (!has_only_calls).then_some(text),
            refusal: None,
            annotations: Vec::new(),
            reasoning_content: said.reasoning(),
            tool_calls: Some(calls).filter(|calls| !calls.is_empty()),
        },
        finish_reason: finish_reason(said.reason),
        logprobs: wants_logprobs.then(|| Logprobs {
            content: Some(said.logprobs.into_iter().map(token_logprob).collect()),
            refusal: None,
        }),
    }
}

fn call(call: &Call) -> ResponseToolCall {
    ResponseToolCall {
        id: call.id.clone(),
        kind: "function".to_owned(),
        function: ToolCallDeltaFunction {
            name: Some(call.name.clone()),
            arguments: call.arguments.clone(),
        },
    }
}
