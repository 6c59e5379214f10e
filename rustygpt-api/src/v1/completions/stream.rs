//! An answer as server-sent events.

use super::logprobs::written;
use super::validate::Form;
use super::whole::echoed;
use crate::answer::{Cost, Format, Head, Opened, Writer};
use crate::error::ApiError;
use crate::sse::push_json;
use crate::v1::chat_completions::wire::{finish_reason, usage};
use rustygpt_common::openai::{Completion, CompletionChoice, StreamOptions, Usage};
use rustygpt_common::sse::Event;
use rustygpt_model::contract::{GenerationEvent, TokenLogprob};

/// Writes the prompts where they were asked for, the texts as they come, the finish reasons, the
/// usage when it was asked for, `[DONE]`.
pub(super) struct TextWriter {
    head: Head,
    /// What each choice begins with.
    echo: Vec<String>,
    /// Where each choice's next token begins, in characters; empty where nobody asked.
    offsets: Vec<u64>,
    wants_usage: bool,
}

impl TextWriter {
    pub(super) fn new(opened: &Opened, form: &Form, options: &StreamOptions) -> Self {
        let of_prompt = |choice: u32| {
            let echo = form.echo.get((choice / form.best_of.max(1)) as usize)?;
            // The engine took these tokens: the model has them.
            echoed(echo, &opened.lease).ok()
        };
        let choices = opened.choices;
        Self {
            head: opened.head.clone(),
            echo: (0..choices).filter_map(of_prompt).collect(),
            offsets: match form.wants_logprobs {
                true => vec![0; choices as usize],
                false => Vec::new(),
            },
            wants_usage: options.include_usage.unwrap_or(false),
        }
    }

    fn piece(&self, choice: Option<CompletionChoice>, usage: Option<Option<Usage>>) -> Completion {
        Completion {
            id: self.head.id.clone(),
            object: "text_completion".to_owned(),
            created: self.head.created,
            model: self.head.model.clone(),
            choices: choice.into_iter().collect(),
            usage,
            system_fingerprint: Some(self.head.fingerprint.clone()),
        }
    }

    fn write(&self, text: &mut String, choice: CompletionChoice) {
        let usage_later = self.wants_usage.then_some(None);
        push_json(text, None, &self.piece(Some(choice), usage_later));
    }

    fn say(&mut self, text: &mut String, index: u32, said: String, tokens: Vec<TokenLogprob>) {
        let offset = self.offsets.get_mut(index as usize);
        let logprobs = offset
            .filter(|_| !tokens.is_empty())
            .map(|offset| written(tokens, offset));
        let choice = CompletionChoice {
            text: said,
            index,
            logprobs,
            finish_reason: None,
        };
        self.write(text, choice);
    }
}

impl Writer for TextWriter {
    const FORMAT: Format = Format::Events;

    fn begin(&mut self, text: &mut String, _: &Cost) {
        for (index, prompt) in (0..).zip(std::mem::take(&mut self.echo)) {
            self.say(text, index, prompt, Vec::new());
        }
    }

    fn event(&mut self, text: &mut String, event: GenerationEvent) {
        match event {
            GenerationEvent::Text {
                choice,
                text: said,
                logprobs,
            } => self.say(text, choice, said, logprobs),
            GenerationEvent::Finish { choice, reason, .. } => {
                let last = CompletionChoice {
                    text: String::new(),
                    index: choice,
                    logprobs: None,
                    finish_reason: Some(finish_reason(reason)),
                };
                self.write(text, last);
            }
            // Bare texts have neither.
            GenerationEvent::Reasoning { .. }
            | GenerationEvent::ToolCallBegin { .. }
            | GenerationEvent::ToolCallArguments { .. }
            | GenerationEvent::ToolCallEnd { .. }
            | GenerationEvent::Failed { .. } => {}
        }
    }

    fn end(&mut self, text: &mut String, cost: &Cost) {
        if self.wants_usage {
            let last = self.piece(None, Some(Some(usage(cost))));
            push_json(text, None, &last);
        }
        text.push_str(&Event::data("[DONE]").encode());
    }

    fn error(error: &ApiError) -> String {
        error.event()
    }
}
