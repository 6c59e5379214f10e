//! A whole answer in one object.

use super::meter::Meter;
use super::wire::{Cost, Head, finish_reason, token_logprob};
use crate::error::ApiError;
use futures::StreamExt;
use rustygpt_common::openai::{
    AssistantMessage, ChatCompletion, Choice, Logprobs, ResponseToolCall, TokenLogprob,
    ToolCallDeltaFunction,
};
use rustygpt_model::contract::{self, GenerationEvent};
use rustygpt_orchestrator::chat::Speech;

/// One choice while it grows.
#[derive(Default)]
struct Growing {
    text: String,
    reasoning: String,
    calls: Vec<ResponseToolCall>,
    logprobs: Vec<TokenLogprob>,
    finish: Option<String>,
}

/// Waits for all choices.
///
/// # Errors
/// When the engine fails before the last one.
pub(super) async fn collect(
    head: Head,
    mut speech: Speech,
    mut meter: Meter,
    choices: u32,
    wants_logprobs: bool,
) -> Result<ChatCompletion, ApiError> {
    let mut cost = Cost::of_prompt(speech.prompt_tokens());
    let mut growing: Vec<Growing> = (0..choices).map(|_| Growing::default()).collect();
    while let Some(event) = speech.next().await {
        meter.see(&event);
        apply(event, &mut growing, &mut cost)?;
    }
    let choices = growing
        .into_iter()
        .zip(0..)
        .map(|(choice, index)| choice.into_choice(index, wants_logprobs))
        .collect::<Result<_, _>>()?;
    Ok(ChatCompletion {
        id: head.id,
        object: "chat.completion".to_owned(),
        created: head.created,
        model: head.model,
        choices,
        usage: Some(cost.usage()),
        system_fingerprint: Some(head.fingerprint),
        service_tier: Some("default".to_owned()),
    })
}

fn apply(event: GenerationEvent, growing: &mut [Growing], cost: &mut Cost) -> Result<(), ApiError> {
    match event {
        GenerationEvent::Text {
            choice,
            text,
            logprobs,
        } => {
            at(growing, choice)?.say(&text, logprobs);
        }
        GenerationEvent::Reasoning {
            choice,
            text,
            logprobs,
        } => {
            at(growing, choice)?.think(&text, logprobs);
        }
        GenerationEvent::ToolCallBegin {
            choice, id, name, ..
        } => {
            at(growing, choice)?.calls.push(ResponseToolCall {
                id,
                kind: "function".to_owned(),
                function: ToolCallDeltaFunction {
                    name: Some(name),
                    arguments: String::new(),
                },
            });
        }
        GenerationEvent::ToolCallArguments { choice, call, json } => {
            if let Some(call) = at(growing, choice)?.calls.get_mut(call as usize) {
                call.function.arguments.push_str(&json);
            }
        }
        GenerationEvent::ToolCallEnd { .. } => {}
        GenerationEvent::Finish {
            choice,
            reason,
            usage,
        } => {
            cost.add(usage);
            at(growing, choice)?.finish = Some(finish_reason(reason));
        }
        GenerationEvent::Failed { message } => return Err(ApiError::engine_failed(message)),
    }
    Ok(())
}

fn at(growing: &mut [Growing], choice: u32) -> Result<&mut Growing, ApiError> {
    growing
        .get_mut(choice as usize)
        .ok_or_else(|| ApiError::internal("the engine answered a choice nobody asked for"))
}

impl Growing {
    fn say(&mut self, text: &str, logprobs: Vec<contract::TokenLogprob>) {
        self.text.push_str(text);
        self.logprobs
            .extend(logprobs.into_iter().map(token_logprob));
    }

    fn think(&mut self, text: &str, logprobs: Vec<contract::TokenLogprob>) {
        self.reasoning.push_str(text);
        self.logprobs
            .extend(logprobs.into_iter().map(token_logprob));
    }

    fn into_choice(self, index: u32, wants_logprobs: bool) -> Result<Choice, ApiError> {
        let finish_reason = self
            .finish
            .ok_or_else(|| ApiError::internal("the engine ended without finishing a choice"))?;
        let has_only_calls = self.text.is_empty() && !self.calls.is_empty();
        Ok(Choice {
            index,
            message: AssistantMessage {
                role: "assistant".to_owned(),
                content: (!has_only_calls).then_some(self.text),
                refusal: None,
                annotations: Vec::new(),
                reasoning_content: Some(self.reasoning).filter(|text| !text.is_empty()),
                tool_calls: Some(self.calls).filter(|calls| !calls.is_empty()),
            },
            logprobs: wants_logprobs.then_some(Logprobs {
                content: Some(self.logprobs),
                refusal: None,
            }),
            finish_reason,
        })
    }
}
