//! [`CallReader`]: reads the calls of one answer while they arrive.

use super::body::{BodyReader, Outcome};
use super::{CallBody, CallFormat};
use std::sync::Arc;

/// What calls an answer may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How they are written.
    pub format: CallFormat,
    /// The functions there are: an answer that only looks like a call of something else is text.
    pub names: Arc<[String]>,
    /// Whether the answer ends with its first call.
    pub is_single: bool,
}

/// A piece of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// A call begins.
    Begin {
        /// The function's name.
        name: String,
    },
    /// More of its arguments' JSON text.
    Arguments(String),
    /// It is complete.
    End,
}

/// What became of a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The calls go on.
    More,
    /// They are over; this text follows them.
    Over(String),
    /// There was no call: all of this is text.
    Text(String),
}

/// Reads what stands behind the mark that begins calls.
#[derive(Clone, Debug)]
pub struct CallReader {
    reading: Arc<Reading>,
    place: Place,
    /// Text that was not looked at yet, because it may be the beginning of a mark.
    waiting: String,
    /// All text since the last complete call: it is given back if no call comes of it.
    raw: String,
    is_list_open: bool,
    /// Whether no mark told that these are calls: only known functions are believed.
    is_bare: bool,
    calls: u32,
}

#[derive(Clone, Debug)]
enum Place {
    /// Before a call.
    Between,
    In(Box<BodyReader>),
    /// Behind a call.
    Behind,
    /// Behind the list or the last call.
    Closing,
}

impl CallReader {
    /// A reader of calls that began with `mark`: the format's mark with white space before it, or
    /// for bare calls white space only.
    #[must_use]
    pub fn new(reading: Arc<Reading>, mark: &str) -> Self {
        Self {
            is_bare: mark.trim_start().is_empty(),
            reading,
            place: Place::Between,
            waiting: String::new(),
            raw: mark.to_owned(),
            is_list_open: false,
            calls: 0,
        }
    }

    /// Whether the text is a call for sure: a grammar may begin to hold.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        match &self.place {
            Place::In(body) => body.is_certain,
            _ => false,
        }
    }

    /// Bytes that may still turn out to be text.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.place {
            Place::In(body) if body.is_begun => 0,
            _ if self.calls > 0 => 0,
            _ => self.raw.len(),
        }
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str, events: &mut Vec<CallEvent>) -> Taken {
        self.raw.push_str(text);
        self.waiting.push_str(text);
        loop {
            let taken = match &mut self.place {
                Place::In(_) => self.read_body(events),
                Place::Between => self.between(),
                Place::Behind => self.behind(),
                Place::Closing => self.closing(),
            };
            match taken {
                Step::On => {}
                Step::Wait => return Taken::More,
                Step::Over => return self.over(),
            }
        }
    }

    /// The text that was held back, at the end of an answer; `None` if a call has begun.
    pub fn finish(&mut self, events: &mut Vec<CallEvent>) -> Option<String> {
        if let Place::In(body) = &self.place
            && body.is_begun
        {
            events.push(CallEvent::End);
            return None;
        }
        (self.calls == 0).then(|| std::mem::take(&mut self.raw))
    }

    fn over(&mut self) -> Taken {
        match self.calls {
            0 => Taken::Text(std::mem::take(&mut self.raw)),
            _ => Taken::Over(std::mem::take(&mut self.waiting)),
        }
    }

    fn read_body(&mut self, events: &mut Vec<CallEvent>) -> Step {
        let Place::In(body) = &mut self.place else {
            return Step::Over;
        };
        let text = std::mem::take(&mut self.waiting);
        let is_bare = self.is_bare;
        let names = &self.reading.names;
        let knows = |name: &str| !is_bare || names.iter().any(|known| known == name);
        match body.push(&text, &knows, events) {
            Outcome::More => Step::Wait,
            Outcome::Complete(end) => {
                events.push(CallEvent::End);
                self.calls += 1;
                self.waiting = text.get(end..).unwrap_or_default().to_owned();
                self.raw.clone_from(&self.waiting);
                self.place = Place::Behind;
                Step::On
            }
            Outcome::Broken(at) => {
                let was_begun = body.is_begun;
                if was_begun {
                    events.push(CallEvent::End);
                    self.calls += 1;
                }
                self.waiting = match was_begun {
                    true => text.get(at..).unwrap_or_default().to_owned(),
                    false => self.raw.clone(),
                };
                Step::Over
            }
        }
    }

    fn between(&mut self) -> Step {
        let format = self.reading.format;
        self.skip_space();
        if self.waiting.is_empty() {
            return Step::Wait;
        }
        if format.is_list && !self.is_list_open {
            if self.eat("[") {
                self.is_list_open = true;
                return Step::On;
            }
            // Some models leave the list out where there is one call.
            if !self.waiting.starts_with('{') {
                return Step::Over;
            }
        }
        if let Some((begin, _)) = format.each {
            return match self.mark(begin) {
                Mark::Whole => self.begin_body(),
                Mark::Beginning => Step::Wait,
                Mark::No => Step::Over,
            };
        }
        match format.body {
            CallBody::Object { .. } if !self.waiting.starts_with('{') => Step::Over,
            _ => self.begin_body(),
        }
    }

    fn begin_body(&mut self) -> Step {
        self.place = Place::In(Box::new(BodyReader::new(self.reading.format.body)));
        Step::On
    }

    fn behind(&mut self) -> Step {
        let format = self.reading.format;
        if format.each.is_none() && format.end.is_none() && !self.is_list_open {
            return Step::Over;
        }
        self.skip_space();
        if self.waiting.is_empty() {
            return Step::Wait;
        }
        if self.is_list_open {
            if self.eat(",") {
                self.place = Place::Between;
            } else if self.eat("]") {
                self.is_list_open = false;
                self.place = Place::Closing;
            } else {
                return Step::Over;
            }
            return Step::On;
        }
        if let Some((begin, end)) = format.each {
            match (self.mark(end), self.peek(begin)) {
                (Mark::Whole, _) => return Step::On,
                (_, Mark::Whole) => {
                    self.place = Place::Between;
                    return Step::On;
                }
                (Mark::Beginning, _) | (_, Mark::Beginning) => return Step::Wait,
                _ => {}
            }
        }
        self.place = Place::Closing;
        Step::On
    }

    fn closing(&mut self) -> Step {
        let Some(end) = self.reading.format.end else {
            return Step::Over;
        };
        let start = self.waiting.trim_start();
        if start.is_empty() {
            return Step::Wait;
        }
        let skipped = self.waiting.len() - start.len();
        if start.starts_with(end) {
            self.waiting.drain(..skipped + end.len());
            return Step::Over;
        }
        match end.starts_with(start) {
            true => Step::Wait,
            false => Step::Over,
        }
    }

    fn skip_space(&mut self) {
        let spaces = self.waiting.len() - self.waiting.trim_start().len();
        self.waiting.drain(..spaces);
    }

    fn eat(&mut self, mark: &str) -> bool {
        let is_there = self.waiting.starts_with(mark);
        if is_there {
            self.waiting.drain(..mark.len());
        }
        is_there
    }

    fn peek(&self, mark: &str) -> Mark {
        if self.waiting.starts_with(mark) {
            Mark::Whole
        } else if mark.starts_with(self.waiting.as_str()) {
            Mark::Beginning
        } else {
            Mark::No
        }
    }

    fn mark(&mut self, mark: &str) -> Mark {
        let found = self.peek(mark);
        if found == Mark::Whole {
            self.waiting.drain(..mark.len());
        }
        found
    }
}

enum Step {
    On,
    Wait,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Whole,
    Beginning,
    No,
}
