//! Answers to chat and to generate: whole, and line by line.

use super::timestamp;
use crate::answer::{Call, Complete, Cost, Format, Head, Opened, Writer};
use crate::error::ApiError;
use crate::sse::push_line;
use crate::v1::chat_completions::wire::finish_reason;
use rustygpt_common::ollama::{
    ChatResponse, ErrorResponse, GenerateResponse, Message, ToolCall, ToolCallFunction, Totals,
};
use rustygpt_model::contract::{FinishReason, GenerationEvent};
use serde::Serialize;
use std::time::Instant;

/// Which request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Chat,
    Generate,
}

/// An answer, or a piece of one.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Object {
    Chat(ChatResponse),
    Generate(GenerateResponse),
}

/// What is said, or what is new of it.
#[derive(Default)]
struct Words {
    text: String,
    thinking: Option<String>,
    calls: Vec<ToolCall>,
}

/// How an answer ended, and what it took.
struct End {
    reason: String,
    totals: Totals,
}

impl Form {
    fn object(self, model: &str, created: u64, words: Words, end: Option<End>) -> Object {
        let (done_reason, totals) = end.map(|end| (end.reason, end.totals)).unzip();
        let (model, created_at) = (model.to_owned(), timestamp(created));
        let done = done_reason.is_some();
        match self {
            Self::Chat => Object::Chat(ChatResponse {
                model,
                created_at,
                message: Message {
                    role: "assistant".to_owned(),
                    content: Some(words.text),
                    thinking: words.thinking,
                    tool_calls: Some(words.calls).filter(|calls| !calls.is_empty()),
                    ..Message::default()
                },
                done,
                done_reason,
                totals,
            }),
            Self::Generate => Object::Generate(GenerateResponse {
                model,
                created_at,
                response: words.text,
                thinking: words.thinking,
                done,
                done_reason,
                totals,
            }),
        }
    }

    /// The answer to a request that only wanted the model in memory.
    pub(super) fn loaded(self, model: &str, created: u64, start: Instant) -> Object {
        let took = nanoseconds(start, Instant::now());
        let end = End {
            reason: "load".to_owned(),
            totals: Totals {
                total_duration: took,
                load_duration: took,
                ..Totals::default()
            },
        };
        self.object(model, created, Words::default(), Some(end))
    }

    /// A whole answer.
    ///
    /// # Errors
    /// When the engine gave none.
    pub(super) fn whole(self, complete: Complete) -> Result<Object, ApiError> {
        let Complete {
            head,
            start,
            loaded,
            first,
            said,
            cost,
            ..
        } = complete;
        let Some(said) = said.into_iter().next() else {
            return Err(ApiError::internal("the engine gave no answer"));
        };
        let words = Words {
            text: said.text(),
            thinking: said.reasoning(),
            calls: (0..)
                .zip(said.calls())
                .filter_map(|(index, call)| written(index, call))
                .collect(),
        };
        let end = End {
            reason: reason(said.reason),
            totals: totals(start, loaded, first, &cost),
        };
        Ok(self.object(&head.model, head.created, words, Some(end)))
    }
}

/// Writes a line per piece, and one at the end that tells what it took.
pub(super) struct LineWriter {
    form: Form,
    head: Head,
    start: Instant,
    loaded: Instant,
    first: Option<Instant>,
    /// The call that grows: this dialect writes calls whole.
    call: Option<Call>,
    calls: u32,
    reason: FinishReason,
}

impl LineWriter {
    pub(super) fn new(form: Form, opened: &Opened) -> Self {
        Self {
            form,
            head: opened.head.clone(),
            start: opened.start,
            loaded: opened.loaded,
            first: None,
            call: None,
            calls: 0,
            reason: FinishReason::Stop,
        }
    }

    fn write(&mut self, text: &mut String, words: Words) {
        self.first.get_or_insert_with(Instant::now);
        let Head { model, created, .. } = &self.head;
        push_line(text, &self.form.object(model, *created, words, None));
    }

    fn end_call(&mut self, text: &mut String) {
        let index = self.calls;
        let call = self.call.take();
        if let Some(call) = call.and_then(|call| written(index, &call)) {
            let words = Words {
                calls: vec![call],
                ..Words::default()
            };
            self.write(text, words);
        }
        self.calls += 1;
    }
}

impl Writer for LineWriter {
    const FORMAT: Format = Format::Lines;

    fn begin(&mut self, _: &mut String, _: &Cost) {}

    fn event(&mut self, text: &mut String, event: GenerationEvent) {
        match event {
            GenerationEvent::Text { text: said, .. } => {
                let words = Words {
                    text: said,
                    ..Words::default()
                };
                self.write(text, words);
            }
            GenerationEvent::Reasoning { text: thinking, .. } => {
                let words = Words {
                    thinking: Some(thinking),
                    ..Words::default()
                };
                self.write(text, words);
            }
            GenerationEvent::ToolCallBegin { id, name, .. } => {
                let arguments = String::new();
                self.call = Some(Call {
                    id,
                    name,
                    arguments,
                });
            }
            GenerationEvent::ToolCallArguments { json, .. } => {
                if let Some(call) = &mut self.call {
                    call.arguments.push_str(&json);
                }
            }
            GenerationEvent::ToolCallEnd { .. } => self.end_call(text),
            GenerationEvent::Finish { reason, .. } => {
                if self.call.is_some() {
                    self.end_call(text);
                }
                self.reason = reason;
            }
            GenerationEvent::Failed { .. } => {}
        }
    }

    fn end(&mut self, text: &mut String, cost: &Cost) {
        let end = End {
            reason: reason(self.reason),
            totals: totals(self.start, self.loaded, self.first, cost),
        };
        let Head { model, created, .. } = &self.head;
        let last = self
            .form
            .object(model, *created, Words::default(), Some(end));
        push_line(text, &last);
    }

    fn error(error: &ApiError) -> String {
        let mut text = String::new();
        let error = error.message().to_owned();
        push_line(&mut text, &ErrorResponse { error });
        text
    }
}

/// A call as this dialect writes it: its arguments are an object. One that broke off within them
/// is none.
fn written(index: u32, call: &Call) -> Option<ToolCall> {
    let arguments = serde_json::from_str(&call.arguments).ok()?;
    Some(ToolCall {
        id: Some(call.id.clone()),
        function: ToolCallFunction {
            index: Some(index),
            name: call.name.clone(),
            arguments,
        },
    })
}

/// Why an answer ended; one that calls has stopped.
fn reason(reason: FinishReason) -> String {
    match reason {
        FinishReason::ToolCalls => "stop".to_owned(),
        reason => finish_reason(reason),
    }
}

fn totals(start: Instant, loaded: Instant, first: Option<Instant>, cost: &Cost) -> Totals {
    let now = Instant::now();
    let first = first.unwrap_or(now);
    Totals {
        total_duration: nanoseconds(start, now),
        load_duration: nanoseconds(start, loaded),
        prompt_eval_count: cost.prompt,
        prompt_eval_duration: nanoseconds(loaded, first),
        eval_count: cost.completion,
        eval_duration: nanoseconds(first, now),
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
