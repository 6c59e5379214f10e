//! [`Sections`]: the text of an answer, told apart: reasoning, text, tool calls.

use super::tool_calls::{CallEvent, CallReader, Reading, Taken};
use std::sync::Arc;

/// The marks around a model's reasoning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasoningMarks {
    /// Begins it.
    pub open: String,
    /// Ends it.
    pub close: String,
    /// Whether the prompt ends inside the reasoning.
    pub is_open: bool,
}

/// What an answer may be made of beside text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// Reasoning at its beginning.
    pub reasoning: Option<ReasoningMarks>,
    /// Tool calls.
    pub calls: Option<Arc<Reading>>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// Reasoning.
    Reasoning(String),
    /// A piece of a call.
    Call(CallEvent),
}

/// What happened to an answer beside the pieces that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The reasoning is over; this text follows it.
    ReasoningOver(String),
    /// A call has begun for sure: what was written since the mark that begins calls.
    CallBegan(String),
    /// The calls are over.
    CallsOver,
}

/// Tells an answer's text apart while it arrives. What may still become a mark is held back.
#[derive(Clone, Debug)]
pub struct Sections {
    outline: Outline,
    place: Place,
    /// Text that may be the beginning of a mark, or white space that a mark would swallow.
    held: String,
    /// Whether nothing but white space was said since the beginning or the last call.
    is_start: bool,
    /// Whether white space is left out until text comes.
    drops_space: bool,
    has_calls: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Reasoning,
    Text,
    Calls {
        reader: Box<CallReader>,
        /// Length of the mark that began them.
        mark: usize,
        /// Everything behind the mark, until the call is certain.
        text: Option<String>,
    },
}

impl Sections {
    /// At the start of an answer.
    #[must_use]
    pub fn new(outline: Outline) -> Self {
        let is_open = outline
            .reasoning
            .as_ref()
            .is_some_and(|marks| marks.is_open);
        Self {
            outline,
            place: match is_open {
                true => Place::Reasoning,
                false => Place::Text,
            },
            held: String::new(),
            is_start: true,
            drops_space: false,
            has_calls: false,
        }
    }

    /// Whether the answer is inside the reasoning.
    #[must_use]
    pub fn is_reasoning(&self) -> bool {
        matches!(self.place, Place::Reasoning)
    }

    /// Whether there was a call.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.has_calls
    }

    /// Bytes of text that were held back.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.place {
            Place::Calls { reader, .. } => reader.held(),
            _ => self.held.len(),
        }
    }

    /// Whether the answer ends with its first call.
    #[must_use]
    pub fn is_single_call(&self) -> bool {
        self.outline
            .calls
            .as_ref()
            .is_some_and(|calls| calls.is_single)
    }

    /// Takes text; the pieces that are certain go to `pieces`, what happened to `turns`.
    pub fn push(&mut self, text: &str, pieces: &mut Vec<Piece>, turns: &mut Vec<Turn>) {
        if self.outline == Outline::default() && !self.drops_space && self.held.is_empty() {
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            return;
        }
        let mut rest = text.to_owned();
        while !rest.is_empty() {
            rest = match &mut self.place {
                Place::Reasoning => self.reason(&rest, pieces, turns),
                Place::Text => self.say(&rest, pieces, turns),
                Place::Calls { .. } => self.call(&rest, pieces, turns),
            };
        }
    }

    /// What was held back, at the end of an answer.
    pub fn finish(&mut self, pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        match &mut self.place {
            Place::Reasoning => push_reasoning(pieces, held.trim_end()),
            Place::Text => {
                let is_only_space = held.trim_start().is_empty();
                if !(is_only_space && self.has_calls) {
                    push_text(pieces, held);
                }
            }
            Place::Calls { reader, .. } => {
                let mut events = Vec::new();
                let text = reader.finish(&mut events);
                self.has_calls |= !events.is_empty();
                pieces.extend(events.into_iter().map(Piece::Call));
                if let Some(text) = text.filter(|_| !self.has_calls) {
                    push_text(pieces, text);
                }
            }
        }
    }

    fn reason(&mut self, text: &str, pieces: &mut Vec<Piece>, turns: &mut Vec<Turn>) -> String {
        let Some(marks) = &self.outline.reasoning else {
            self.place = Place::Text;
            return text.to_owned();
        };
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        if let Some(at) = all.find(&marks.close) {
            let rest = all.get(at + marks.close.len()..).unwrap_or_default();
            let rest = rest.trim_start().to_owned();
            self.drops_space = true;
            all.truncate(at);
            push_reasoning(pieces, self.without_start(&all).trim_end());
            self.place = Place::Text;
            self.is_start = true;
            // Only once: an answer that speaks of the mark later is text.
            self.outline.reasoning = None;
            turns.push(Turn::ReasoningOver(rest.clone()));
            return rest;
        }
        // White space before the mark belongs to neither.
        let mark = longest_beginning(&all, &marks.close);
        let end = all.len() - mark;
        let end = all.get(..end).unwrap_or_default().trim_end().len();
        self.held = all.split_off(end);
        let said = self.without_start(&all).to_owned();
        self.is_start &= said.is_empty();
        push_reasoning(pieces, &said);
        String::new()
    }

    /// The text without white space at the beginning of a section.
    fn without_start<'a>(&self, text: &'a str) -> &'a str {
        match self.is_start {
            true => text.trim_start(),
            false => text,
        }
    }

    fn say(&mut self, text: &str, pieces: &mut Vec<Piece>, turns: &mut Vec<Turn>) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        if self.drops_space {
            all.drain(..all.len() - all.trim_start().len());
            self.drops_space = all.is_empty();
        }
        if self.is_start
            && let Some(rest) = self.begin_section(&all)
        {
            return rest;
        }
        let begin = self
            .outline
            .calls
            .as_ref()
            .and_then(|calls| calls.format.begin);
        if let (Some(begin), Some(reading)) = (begin, &self.outline.calls)
            && let Some(at) = all.find(begin)
        {
            let rest = all.get(at + begin.len()..).unwrap_or_default().to_owned();
            let said = all.get(..at).unwrap_or_default().trim_end().to_owned();
            let mark = all.get(said.len()..at + begin.len()).unwrap_or_default();
            let reader = CallReader::new(Arc::clone(reading), mark);
            self.speak(said, pieces);
            self.place = Place::Calls {
                reader: Box::new(reader),
                mark: mark.len(),
                text: None,
            };
            turns.push(Turn::CallBegan(rest.clone()));
            return rest;
        }
        let mut end = all.len() - begin.map_or(0, |begin| longest_beginning(&all, begin));
        if self.outline.calls.is_some() {
            // A call would swallow the white space before it.
            end = all.get(..end).unwrap_or_default().trim_end().len();
        }
        if self.is_start {
            end = end.min(self.section_may_begin(&all).unwrap_or(end));
        }
        self.held = all.split_off(end);
        self.speak(all, pieces);
        String::new()
    }

    fn speak(&mut self, text: String, pieces: &mut Vec<Piece>) {
        self.is_start &= text.trim_start().is_empty();
        push_text(pieces, text);
    }

    /// Enters the reasoning or a bare call, if the answer begins with one; the text behind.
    fn begin_section(&mut self, all: &str) -> Option<String> {
        let start = all.trim_start();
        if let Some(marks) = &self.outline.reasoning
            && let Some(rest) = start.strip_prefix(marks.open.as_str())
        {
            self.place = Place::Reasoning;
            return Some(rest.to_owned());
        }
        let calls = self
            .outline
            .calls
            .as_ref()
            .filter(|calls| calls.format.is_bare)?;
        let start = match self.has_calls {
            // Between bare calls.
            true => start.trim_start_matches([';', ' ', '\n', '\r', '\t']),
            false => start,
        };
        if !start.starts_with('{') {
            return None;
        }
        let spaces = all.get(..all.len() - start.len()).unwrap_or_default();
        let reader = CallReader::new(Arc::clone(calls), spaces);
        self.place = Place::Calls {
            reader: Box::new(reader),
            mark: spaces.len(),
            text: Some(String::new()),
        };
        Some(start.to_owned())
    }

    /// Where to hold text back because a section may begin there.
    fn section_may_begin(&self, all: &str) -> Option<usize> {
        let start = all.trim_start();
        let may_reason = self
            .outline
            .reasoning
            .as_ref()
            .is_some_and(|marks| marks.open.starts_with(start));
        let may_call = self.has_calls
            && self
                .outline
                .calls
                .as_ref()
                .is_some_and(|calls| calls.format.is_bare)
            && start.trim_matches([';', ' ', '\n', '\r', '\t']).is_empty();
        (may_reason || may_call).then_some(0)
    }

    fn call(&mut self, rest: &str, pieces: &mut Vec<Piece>, turns: &mut Vec<Turn>) -> String {
        let Place::Calls { reader, mark, text } = &mut self.place else {
            return rest.to_owned();
        };
        let mut events = Vec::new();
        let taken = reader.push(rest, &mut events);
        self.has_calls |= !events.is_empty();
        pieces.extend(events.into_iter().map(Piece::Call));
        if let Some(written) = text {
            written.push_str(rest);
            if reader.is_certain() {
                turns.push(Turn::CallBegan(std::mem::take(written)));
                *text = None;
            }
        }
        match taken {
            Taken::More => String::new(),
            Taken::Over(rest) => {
                turns.push(Turn::CallsOver);
                self.place = Place::Text;
                self.is_start = true;
                rest
            }
            Taken::Text(mut text) => {
                // The mark was none; what stands behind it may have marks of its own.
                let rest = text.split_off((*mark).min(text.len()));
                turns.push(Turn::CallsOver);
                self.place = Place::Text;
                self.is_start = false;
                push_text(pieces, text);
                rest
            }
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

fn push_reasoning(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Reasoning(text.to_owned()));
    }
}

/// The length of the longest proper beginning of `mark` that `text` ends with.
pub(super) fn longest_beginning(text: &str, mark: &str) -> usize {
    mark.char_indices()
        .rev()
        .map(|(length, _)| length)
        .find(|&length| {
            mark.get(..length)
                .is_some_and(|beginning| text.ends_with(beginning))
        })
        .unwrap_or(0)
}
