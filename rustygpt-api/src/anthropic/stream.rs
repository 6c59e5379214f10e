//! An answer as server-sent events.

use super::wire::{end, message, usage};
use crate::answer::{Cost, Format, Head, Writer};
use crate::error::ApiError;
use crate::sse::push_json;
use rustygpt_common::anthropic::{
    ContentBlock, Delta, ErrorResponse, MessageEnd, StreamEvent, Usage,
};
use rustygpt_model::contract::GenerationEvent;
use serde_json::Map;

/// Writes `message_start`, the blocks one after the other, `message_delta` and `message_stop`.
pub(super) struct EventWriter {
    head: Head,
    open: Open,
    /// The next block.
    next: u32,
    has_calls: bool,
    end: MessageEnd,
}

/// Which block grows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Call,
}

/// An answer that goes on.
const NO_END: MessageEnd = MessageEnd {
    stop_reason: None,
    stop_sequence: None,
};

impl EventWriter {
    pub(super) fn new(head: Head) -> Self {
        Self {
            head,
            open: Open::Nothing,
            next: 0,
            has_calls: false,
            end: NO_END,
        }
    }

    /// Ends the block that grows, if one does.
    fn close(&mut self, text: &mut String) {
        if self.open != Open::Nothing {
            let index = self.next;
            write(text, &StreamEvent::ContentBlockStop { index });
            self.next += 1;
            self.open = Open::Nothing;
        }
    }

    /// Begins a block, unless one of its kind goes on. Calls always begin anew.
    fn begin_block(&mut self, text: &mut String, open: Open, content_block: ContentBlock) {
        if self.open == open && open != Open::Call {
            return;
        }
        self.close(text);
        self.open = open;
        let index = self.next;
        let event = StreamEvent::ContentBlockStart {
            index,
            content_block,
        };
        write(text, &event);
    }

    fn grow(&self, text: &mut String, delta: Delta) {
        let index = self.next;
        write(text, &StreamEvent::ContentBlockDelta { index, delta });
    }
}

impl Writer for EventWriter {
    const FORMAT: Format = Format::Events;

    fn begin(&mut self, text: &mut String, cost: &Cost) {
        let usage = Usage {
            input_tokens: cost.prompt,
            ..Usage::default()
        };
        let message = message(self.head.clone(), Vec::new(), NO_END, usage);
        write(text, &StreamEvent::MessageStart { message });
        write(text, &StreamEvent::Ping);
    }

    fn event(&mut self, text: &mut String, event: GenerationEvent) {
        match event {
            GenerationEvent::Text { text: said, .. } => {
                let empty = ContentBlock::Text {
                    text: String::new(),
                };
                self.begin_block(text, Open::Text, empty);
                self.grow(text, Delta::TextDelta { text: said });
            }
            GenerationEvent::Reasoning { text: thinking, .. } => {
                let empty = ContentBlock::Thinking {
                    thinking: String::new(),
                    signature: String::new(),
                };
                self.begin_block(text, Open::Thinking, empty);
                self.grow(text, Delta::ThinkingDelta { thinking });
            }
            GenerationEvent::ToolCallBegin { id, name, .. } => {
                self.has_calls = true;
                let input = Map::new();
                let call = ContentBlock::ToolUse { id, name, input };
                self.begin_block(text, Open::Call, call);
            }
            GenerationEvent::ToolCallArguments { json, .. } if self.open == Open::Call => {
                self.grow(text, Delta::InputJsonDelta { partial_json: json });
            }
            GenerationEvent::ToolCallEnd { .. } => self.close(text),
            GenerationEvent::Finish {
                reason,
                stop_string,
                ..
            } => {
                self.close(text);
                self.end = end(reason, self.has_calls, stop_string);
            }
            GenerationEvent::ToolCallArguments { .. } | GenerationEvent::Failed { .. } => {}
        }
    }

    fn end(&mut self, text: &mut String, cost: &Cost) {
        let event = StreamEvent::MessageDelta {
            delta: std::mem::replace(&mut self.end, NO_END),
            usage: usage(cost),
        };
        write(text, &event);
        write(text, &StreamEvent::MessageStop);
    }

    fn error(error: &ApiError) -> String {
        let envelope = ErrorResponse::new(error.code(), error.message(), None);
        let mut text = String::new();
        let event = StreamEvent::Error {
            error: envelope.error,
        };
        write(&mut text, &event);
        text
    }
}

fn write(text: &mut String, event: &StreamEvent) {
    push_json(text, Some(event.name()), event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustygpt_model::contract::FinishReason;

    #[test]
    fn blocks_follow_one_another_and_reasoning_is_one() {
        let mut writer = EventWriter::new(Head {
            id: "msg_1".to_owned(),
            created: 0,
            model: "m".to_owned(),
            fingerprint: String::new(),
        });
        let (choice, logprobs) = (0, Vec::new());
        let reasoning = |text: &str| GenerationEvent::Reasoning {
            choice,
            text: text.to_owned(),
            logprobs: logprobs.clone(),
        };
        let events = [
            reasoning("h"),
            reasoning("m"),
            GenerationEvent::Text {
                choice,
                text: "Yes.".to_owned(),
                logprobs: logprobs.clone(),
            },
            GenerationEvent::ToolCallBegin {
                choice,
                call: 0,
                id: "t".to_owned(),
                name: "f".to_owned(),
            },
            GenerationEvent::ToolCallArguments {
                choice,
                call: 0,
                json: "{}".to_owned(),
            },
            GenerationEvent::ToolCallEnd { choice, call: 0 },
            GenerationEvent::Finish {
                choice,
                reason: FinishReason::ToolCalls,
                stop_string: None,
                usage: rustygpt_model::contract::Usage::default(),
            },
        ];
        let mut text = String::new();
        for event in events {
            writer.event(&mut text, event);
        }
        writer.end(&mut text, &Cost::of_prompts(&[3], 1));
        let data: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        assert_eq!(
            data,
            [
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m"}}"#,
                r#"{"type":"content_block_stop","index":0}"#,
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Yes."}}"#,
                r#"{"type":"content_block_stop","index":1}"#,
                r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
                r#"{"type":"content_block_stop","index":2}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"#,
                r#"{"type":"message_stop"}"#,
            ]
        );
    }
}
