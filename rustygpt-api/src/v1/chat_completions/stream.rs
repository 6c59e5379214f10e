//! An answer as server-sent events.

use super::wire::{change, chunk, finish_reason, logprobs, usage};
use crate::answer::{Cost, Format, Head, Writer};
use crate::error::ApiError;
use crate::sse::push_json;
use rustygpt_common::openai::{
    ChoiceDelta, ChunkChoice, StreamOptions, ToolCallDelta, ToolCallDeltaFunction, Usage,
};
use rustygpt_common::sse::Event;
use rustygpt_model::contract::GenerationEvent;

/// Writes a role chunk per choice at once, the content as it comes, the finish reasons, the usage
/// when it was asked for, `[DONE]`.
pub(super) struct ChunkWriter {
    head: Head,
    choices: u32,
    wants_usage: bool,
}

impl ChunkWriter {
    pub(super) fn new(head: Head, choices: u32, options: &StreamOptions) -> Self {
        Self {
            head,
            choices,
            wants_usage: options.include_usage.unwrap_or(false),
        }
    }

    /// `usage` of a chunk that is not the last: `null` when it was asked for, else not there.
    fn usage_later(&self) -> Option<Option<Usage>> {
        self.wants_usage.then_some(None)
    }

    fn write(&self, text: &mut String, choice: ChunkChoice) {
        push_json(
            text,
            None,
            &chunk(&self.head, Some(choice), self.usage_later()),
        );
    }
}

impl Writer for ChunkWriter {
    const FORMAT: Format = Format::Events;

    fn begin(&mut self, text: &mut String, _: &Cost) {
        for index in 0..self.choices {
            let delta = ChoiceDelta {
                role: Some("assistant".to_owned()),
                content: Some(String::new()),
                refusal: Some(None),
                ..ChoiceDelta::default()
            };
            self.write(text, change(index, delta));
        }
    }

    fn event(&mut self, text: &mut String, event: GenerationEvent) {
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
            GenerationEvent::Finish { choice, reason, .. } => {
                let last = ChunkChoice {
                    finish_reason: Some(finish_reason(reason)),
                    ..change(choice, ChoiceDelta::default())
                };
                self.write(text, last);
            }
            GenerationEvent::ToolCallEnd { .. } | GenerationEvent::Failed { .. } => {}
        }
    }

    fn end(&mut self, text: &mut String, cost: &Cost) {
        if self.wants_usage {
            let last = chunk(&self.head, None, Some(Some(usage(cost))));
            push_json(text, None, &last);
        }
        text.push_str(&Event::data("[DONE]").encode());
    }

    fn error(error: &ApiError) -> String {
        error.event()
    }
}

fn call_delta(call: ToolCallDelta) -> ChoiceDelta {
    ChoiceDelta {
        tool_calls: Some(vec![call]),
        ..ChoiceDelta::default()
    }
}
