//! [`BodyReader`]: reads one call while it arrives.

use super::extent::{Extent, Place};
use super::{CallBody, CallEvent};
use serde_json::Value;

/// Longest name of a function, in bytes.
const NAME_BYTES: usize = 512;

/// Reads one call while it arrives.
#[derive(Clone, Debug)]
pub(super) struct BodyReader {
    body: CallBody,
    state: State,
    name: Option<String>,
    /// Arguments, while they cannot be given out.
    held: Vec<u8>,
    has_arguments: bool,
    /// Whether the beginning of the call was given out.
    pub(super) is_begun: bool,
    /// Whether the text is a call for sure, if a grammar is kept: the first key is the name.
    pub(super) is_certain: bool,
    /// Objects named `function` around the call.
    nested: u32,
}

#[derive(Clone, Debug)]
enum State {
    Open,
    KeyOrEnd {
        is_first: bool,
    },
    Key(Extent, Vec<u8>),
    Colon(Key),
    Value(Key, Extent, Vec<u8>),
    CommaOrEnd,
    /// [`CallBody::Named`]: the text up to the arguments.
    Naming(String),
    /// [`CallBody::Named`]: the text behind the arguments.
    After(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Name,
    Arguments,
    Other,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// More must come.
    More,
    /// The call is complete, this many bytes into the text.
    Complete(usize),
    /// It is no call after all, or a broken one, this many bytes into the text.
    Broken(usize),
}

impl BodyReader {
    pub(super) fn new(body: CallBody) -> Self {
        Self {
            body,
            state: match body {
                CallBody::Object { .. } => State::Open,
                CallBody::Named { .. } => State::Naming(String::new()),
            },
            name: None,
            held: Vec::new(),
            has_arguments: false,
            is_begun: false,
            is_certain: false,
            nested: 0,
        }
    }

    /// Takes more text; `knows` tells which names are functions.
    pub(super) fn push(
        &mut self,
        text: &str,
        knows: &dyn Fn(&str) -> bool,
        events: &mut Vec<CallEvent>,
    ) -> Outcome {
        let mut outcome = Outcome::More;
        for (at, byte) in text.bytes().enumerate() {
            match self.take(byte, knows, events) {
                Step::On => {}
                Step::Again => match self.take(byte, knows, events) {
                    Step::On | Step::Again => {}
                    Step::Done => outcome = Outcome::Complete(at + 1),
                    Step::Broken => outcome = Outcome::Broken(at),
                },
                Step::Done => outcome = Outcome::Complete(at + 1),
                Step::Broken => outcome = Outcome::Broken(at),
            }
            if outcome != Outcome::More {
                break;
            }
        }
        self.give_arguments(events);
        if let Outcome::Complete(_) = outcome {
            if !self.is_begun {
                return Outcome::Broken(text.len());
            }
            if !self.has_arguments {
                events.push(CallEvent::Arguments("{}".to_owned()));
            }
        }
        outcome
    }

    fn take(
        &mut self,
        byte: u8,
        knows: &dyn Fn(&str) -> bool,
        events: &mut Vec<CallEvent>,
    ) -> Step {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match &mut self.state {
            State::Open => match byte {
                b'{' => self.go(State::KeyOrEnd { is_first: true }),
                _ if is_space => Step::On,
                _ => Step::Broken,
            },
            State::KeyOrEnd { is_first } => match byte {
                b'"' => {
                    let mut extent = Extent::default();
                    extent.push(byte);
                    self.go(State::Key(extent, vec![byte]))
                }
                b'}' if *is_first => Step::Broken,
                _ if is_space => Step::On,
                _ => Step::Broken,
            },
            State::Key(extent, text) => {
                let place = extent.push(byte);
                text.push(byte);
                if text.len() > NAME_BYTES {
                    return Step::Broken;
                }
                match place {
                    Place::Last => {
                        let text = std::mem::take(text);
                        self.key(&text)
                    }
                    _ => Step::On,
                }
            }
            State::Colon(key) => match byte {
                b':' => {
                    let key = *key;
                    self.is_certain |= key == Key::Name && self.nested == 0;
                    self.go(State::Value(key, Extent::default(), Vec::new()))
                }
                _ if is_space => Step::On,
                _ => Step::Broken,
            },
            State::Value(..) => self.value(byte, knows, events),
            State::CommaOrEnd => match byte {
                b',' => self.go(State::KeyOrEnd { is_first: false }),
                b'}' if self.nested > 0 => {
                    self.nested -= 1;
                    Step::On
                }
                b'}' => Step::Done,
                _ if is_space => Step::On,
                _ => Step::Broken,
            },
            State::Naming(_) => self.naming(byte, knows, events),
            State::After(text) => {
                let CallBody::Named { after, .. } = self.body else {
                    return Step::Broken;
                };
                if text.is_empty() && is_space {
                    return Step::On;
                }
                text.push(char::from(byte));
                match (after == text.as_str(), after.starts_with(text.as_str())) {
                    (true, _) => Step::Done,
                    (false, true) => Step::On,
                    (false, false) => Step::Broken,
                }
            }
        }
    }

    fn go(&mut self, state: State) -> Step {
        self.state = state;
        Step::On
    }

    fn key(&mut self, text: &[u8]) -> Step {
        let key = match serde_json::from_slice::<String>(text).as_deref() {
            Ok("name") => Key::Name,
            // Models mix the two up; a call has only one of them.
            Ok("arguments" | "parameters") => Key::Arguments,
            Ok("function") if self.name.is_none() => {
                // OpenAI's own form: the call is the value of this key.
                self.nested += 1;
                Key::Other
            }
            Ok("type" | "id") => Key::Other,
            _ if self.is_begun => Key::Other,
            _ => return Step::Broken,
        };
        self.go(State::Colon(key))
    }

    fn value(
        &mut self,
        byte: u8,
        knows: &dyn Fn(&str) -> bool,
        events: &mut Vec<CallEvent>,
    ) -> Step {
        let State::Value(key, extent, text) = &mut self.state else {
            return Step::Broken;
        };
        let key = *key;
        if extent.first().is_none() && byte == b'{' && self.nested > 0 && self.name.is_none() {
            return self.go(State::KeyOrEnd { is_first: true });
        }
        let place = extent.push(byte);
        if matches!(place, Place::Inside | Place::Last) {
            match key {
                Key::Name if text.len() > NAME_BYTES => return Step::Broken,
                Key::Name => text.push(byte),
                Key::Arguments => self.held.push(byte),
                Key::Other => {}
            }
        }
        if matches!(place, Place::Before | Place::Inside) {
            return Step::On;
        }
        let is_nothing = extent.first().is_none();
        let text = std::mem::take(text);
        match key {
            _ if is_nothing => return Step::Broken,
            Key::Name => {
                let Ok(name) = serde_json::from_slice::<String>(&text) else {
                    return Step::Broken;
                };
                if !self.begin(name, knows, events) {
                    return Step::Broken;
                }
            }
            Key::Arguments => self.end_arguments(events),
            Key::Other => {}
        }
        self.state = match self.body {
            CallBody::Object { .. } => State::CommaOrEnd,
            CallBody::Named { after: "", .. } if place == Place::Last => return Step::Done,
            CallBody::Named { .. } => State::After(String::new()),
        };
        match place {
            Place::Behind => Step::Again,
            _ => Step::On,
        }
    }

    fn naming(
        &mut self,
        byte: u8,
        knows: &dyn Fn(&str) -> bool,
        events: &mut Vec<CallEvent>,
    ) -> Step {
        let (
            State::Naming(text),
            CallBody::Named {
                before, between, ..
            },
        ) = (&mut self.state, self.body)
        else {
            return Step::Broken;
        };
        // Bytes of other characters are kept apart by taking each as a character of its own.
        text.push(char::from(byte));
        if text.len() > NAME_BYTES {
            return Step::Broken;
        }
        let between: String = between.bytes().map(char::from).collect();
        let before: String = before.bytes().map(char::from).collect();
        let Some(name) = text.strip_suffix(between.as_str()) else {
            return Step::On;
        };
        let name = name.trim();
        let name = name.strip_prefix(before.as_str()).unwrap_or(name).trim();
        let bytes: Vec<u8> = name.chars().map(|c| c as u32 as u8).collect();
        let name = String::from_utf8_lossy(&bytes).into_owned();
        if name.is_empty() || !self.begin(name, knows, events) {
            return Step::Broken;
        }
        self.is_certain = true;
        self.go(State::Value(Key::Arguments, Extent::default(), Vec::new()))
    }

    fn begin(
        &mut self,
        name: String,
        knows: &dyn Fn(&str) -> bool,
        events: &mut Vec<CallEvent>,
    ) -> bool {
        if self.is_begun || !knows(&name) {
            return false;
        }
        events.push(CallEvent::Begin { name: name.clone() });
        self.name = Some(name);
        self.is_begun = true;
        true
    }

    /// Gives out what is known of the arguments, if they are an object.
    fn give_arguments(&mut self, events: &mut Vec<CallEvent>) {
        if !self.is_begun || self.held.first() != Some(&b'{') && !self.has_arguments {
            return;
        }
        let whole = match std::str::from_utf8(&self.held) {
            Ok(_) => self.held.len(),
            Err(error) => error.valid_up_to(),
        };
        if whole == 0 {
            return;
        }
        let rest = self.held.split_off(whole);
        let piece = String::from_utf8_lossy(&self.held).into_owned();
        self.held = rest;
        self.has_arguments = true;
        events.push(CallEvent::Arguments(piece));
    }

    /// Arguments that are no object: an object in a string, nothing, or something else.
    fn end_arguments(&mut self, events: &mut Vec<CallEvent>) {
        if self.held.first() == Some(&b'{') || self.held.is_empty() || self.has_arguments {
            return self.give_arguments(events);
        }
        let value: Option<Value> = serde_json::from_slice(&self.held).ok();
        let object = match value {
            Some(Value::String(text)) => serde_json::from_str::<Value>(&text)
                .ok()
                .filter(Value::is_object)
                .map(|_| text),
            Some(Value::Null) => Some("{}".to_owned()),
            _ => None,
        };
        if let Some(object) = object {
            self.held = object.into_bytes();
        }
        if self.is_begun {
            self.has_arguments = true;
            self.give_arguments(events);
        }
    }
}

enum Step {
    On,
    /// The same byte once more, in the state that was just entered.
    Again,
    Done,
    Broken,
}
