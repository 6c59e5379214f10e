//! An answer as server-sent events.

use super::meter::Meter;
use super::wire::{Cost, Head, change, finish_reason, logprobs};
use crate::caller::Ending;
use crate::error::ApiError;
use futures::Stream;
use rustygpt_common::openai::{
    ChoiceDelta, ChunkChoice, StreamOptions, ToolCallDelta, ToolCallDeltaFunction, Usage,
};
use rustygpt_common::sse::Event;
use rustygpt_model::contract::GenerationEvent;
use rustygpt_orchestrator::chat::Speech;
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Most bytes put into one frame while more events are ready.
const FRAME_BYTES: usize = 16 << 10;

/// The events of an answer, encoded: a role chunk per choice at once, the content as it comes,
/// the finish reasons, the usage when it was asked for, `[DONE]`.
pub(super) struct ChunkStream {
    head: Head,
    /// `None` once the answer has ended. Dropping it frees the place in the engine.
    speech: Option<Speech>,
    meter: Meter,
    cost: Cost,
    unfinished: u32,
    roles_due: u32,
    wants_usage: bool,
    ending: Ending,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl ChunkStream {
    pub(super) fn new(
        head: Head,
        speech: Speech,
        meter: Meter,
        choices: u32,
        options: &StreamOptions,
        ending: Ending,
    ) -> Self {
        Self {
            head,
            cost: Cost::of_prompt(speech.prompt_tokens()),
            speech: Some(speech),
            meter,
            unfinished: choices,
            roles_due: choices,
            wants_usage: options.include_usage.unwrap_or(false),
            ended: Box::pin(ending.token().clone().cancelled_owned()),
            ending,
        }
    }

    /// `usage` of a chunk that is not the last: `null` when it was asked for, else not there.
    fn usage_later(&self) -> Option<Option<Usage>> {
        self.wants_usage.then_some(None)
    }

    fn write(&self, text: &mut String, choice: ChunkChoice) {
        encode(text, &self.head.chunk(Some(choice), self.usage_later()));
    }

    fn write_roles(&mut self, text: &mut String) {
        for index in 0..std::mem::take(&mut self.roles_due) {
            let delta = ChoiceDelta {
                role: Some("assistant".to_owned()),
                content: Some(String::new()),
                refusal: Some(None),
                ..ChoiceDelta::default()
            };
            self.write(text, change(index, delta));
        }
    }

    fn write_event(&mut self, text: &mut String, event: GenerationEvent) {
        self.meter.see(&event);
        match event {
            GenerationEvent::Text {
                choice,
                text: content,
                logprobs: tokens,
            } => {
                let delta = ChoiceDelta {
                    content: Some(content),
                    ..ChoiceDelta::default()
                };
                let choice = ChunkChoice {
                    logprobs: logprobs(tokens),
                    ..change(choice, delta)
                };
                self.write(text, choice);
            }
            GenerationEvent::Reasoning {
                choice,
                text: content,
                logprobs: tokens,
            } => {
                let delta = ChoiceDelta {
                    reasoning_content: Some(content),
                    ..ChoiceDelta::default()
                };
                let choice = ChunkChoice {
                    logprobs: logprobs(tokens),
                    ..change(choice, delta)
                };
                self.write(text, choice);
            }
            GenerationEvent::ToolCallBegin {
                choice,
                call,
                id,
                name,
            } => {
                let function = ToolCallDeltaFunction {
                    name: Some(name),
                    arguments: String::new(),
                };
                let kind = Some("function".to_owned());
                let call = ToolCallDelta {
                    index: call,
                    id: Some(id),
                    kind,
                    function,
                };
                self.write(text, change(choice, call_delta(call)));
            }
            GenerationEvent::ToolCallArguments { choice, call, json } => {
                let function = ToolCallDeltaFunction {
                    name: None,
                    arguments: json,
                };
                let call = ToolCallDelta {
                    index: call,
                    id: None,
                    kind: None,
                    function,
                };
                self.write(text, change(choice, call_delta(call)));
            }
            GenerationEvent::ToolCallEnd { .. } => {}
            GenerationEvent::Finish {
                choice,
                reason,
                usage,
            } => {
                self.cost.add(usage);
                let last = change(choice, ChoiceDelta::default());
                self.write(
                    text,
                    ChunkChoice {
                        finish_reason: Some(finish_reason(reason)),
                        ..last
                    },
                );
                self.unfinished = self.unfinished.saturating_sub(1);
                if self.unfinished == 0 {
                    self.write_end(text);
                }
            }
            GenerationEvent::Failed { message } => {
                self.write_error(text, &ApiError::engine_failed(message));
            }
        }
    }

    fn write_end(&mut self, text: &mut String) {
        if self.wants_usage {
            encode(text, &self.head.chunk(None, Some(Some(self.cost.usage()))));
        }
        text.push_str(&Event::data("[DONE]").encode());
        self.speech = None;
    }

    fn write_error(&mut self, text: &mut String, error: &ApiError) {
        text.push_str(&error.event());
        self.speech = None;
    }
}

impl Stream for ChunkStream {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<String>> {
        let mut text = String::new();
        self.write_roles(&mut text);
        if self.speech.is_some() && self.ended.as_mut().poll(context).is_ready() {
            let (error, why) = self.ending.reason();
            self.meter.break_off(why);
            self.write_error(&mut text, &error);
        }
        while text.len() < FRAME_BYTES {
            let Some(speech) = &mut self.speech else {
                break;
            };
            match Pin::new(speech).poll_next(context) {
                Poll::Ready(Some(event)) => self.write_event(&mut text, event),
                Poll::Ready(None) => {
                    self.meter.break_off("engine ended early");
                    let error = ApiError::engine_failed("The model stopped.".to_owned());
                    self.write_error(&mut text, &error);
                }
                Poll::Pending if text.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready((!text.is_empty()).then_some(text))
    }
}

fn call_delta(call: ToolCallDelta) -> ChoiceDelta {
    ChoiceDelta {
        tool_calls: Some(vec![call]),
        ..ChoiceDelta::default()
    }
}

/// Appends an object as an event.
fn encode<T: Serialize>(text: &mut String, object: &T) {
    match serde_json::to_string(object) {
        Ok(json) => text.push_str(&Event::data(json).encode()),
        // Plain structs of strings and finite numbers always serialise.
        Err(error) => tracing::error!(%error, "an event could not be written"),
    }
}
