//! Server-sent events without IO: an encoder and an incremental parser.
//!
//! After the event stream format of the WHATWG HTML standard, section 9.2.

/// One server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's name; `None` means `message`.
    pub name: Option<String>,
    /// The data; its lines are separated by `\n`.
    pub data: String,
    /// The id, which a client repeats when it reconnects.
    pub id: Option<String>,
}

impl Event {
    /// An event without a name.
    #[must_use]
    pub fn data(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// The event as it travels, its empty line included. Line ends inside the data become further
    /// `data:` lines; name and id lose theirs, because they have no way to carry them.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.data.len() + 16);
        for (field, value) in [("event: ", &self.name), ("id: ", &self.id)] {
            if let Some(value) = value {
                text.push_str(field);
                text.extend(
                    value
                        .chars()
                        .filter(|&c| c != '\n' && c != '\r' && c != '\0'),
                );
                text.push('\n');
            }
        }
        for line in lines(&self.data) {
            text.push_str("data: ");
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
        text
    }
}

/// A comment as it travels: it keeps a quiet line alive and every client skips it.
#[must_use]
pub fn comment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 4);
    for line in lines(text) {
        encoded.push_str(": ");
        encoded.push_str(line);
        encoded.push('\n');
    }
    encoded.push('\n');
    encoded
}

/// The lines of a text; `\r\n`, `\n` and `\r` all end one, and there is at least one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        match current.find(['\r', '\n']) {
            Some(end) => {
                let after = &current[end..];
                let skipped = if after.starts_with("\r\n") { 2 } else { 1 };
                rest = Some(&after[skipped..]);
                Some(&current[..end])
            }
            None => {
                rest = None;
                Some(current)
            }
        }
    })
}

/// What [`Parser::push`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line is not UTF-8.
    #[error("the event stream is not UTF-8")]
    NotUtf8,
    /// An event is longer than the parser's limit.
    #[error("an event is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Reads events out of bytes that arrive in any pieces.
#[derive(Debug)]
pub struct Parser {
    line: Vec<u8>,
    after_carriage_return: bool,
    at_start: bool,
    event: Event,
    has_data: bool,
    last_id: Option<String>,
    limit: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limit(16 << 20)
    }
}

impl Parser {
    /// A parser that refuses events longer than `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            after_carriage_return: false,
            at_start: true,
            event: Event::default(),
            has_data: false,
            last_id: None,
            limit,
        }
    }

    /// Reads the next piece and returns the events it completes. An event that the stream's end
    /// cuts off is never returned.
    ///
    /// # Errors
    /// [`ParseError`] when a line is not UTF-8 or an event is too long; the parser is then of no
    /// further use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, ParseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            let second_half = std::mem::take(&mut self.after_carriage_return) && byte == b'\n';
            if second_half {
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    self.after_carriage_return = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.end_line(&line, &mut events)?;
                    // Gives the buffer back, so that a stream costs one allocation per line at most.
                    self.line = line;
                    self.line.clear();
                }
                _ => {
                    if self.line.len() + self.event.data.len() >= self.limit {
                        return Err(ParseError::TooLong { limit: self.limit });
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), ParseError> {
        let line = std::str::from_utf8(line).map_err(|_| ParseError::NotUtf8)?;
        let line = match std::mem::take(&mut self.at_start) {
            true => line.strip_prefix('\u{feff}').unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            self.end_event(events);
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => self.event.name = Some(value.to_owned()).filter(|name| !name.is_empty()),
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            // A comment has an empty field; others, `retry` among them, mean nothing here.
            _ => {}
        }
        Ok(())
    }

    fn end_event(&mut self, events: &mut Vec<Event>) {
        let mut event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            event.id = self.last_id.clone();
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIXED: &str = "\u{feff}: hello\r\ndata: one\r\ndata:two\r\n\r\nevent: named\rid: 7\rdata: \
                         ünï\r\rid\ndata\n\n:\nretry: 5\nevent: lost\n\ndata: cut off";

    fn parsed(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        pieces
            .iter()
            .flat_map(|piece| parser.push(piece).unwrap())
            .collect()
    }

    fn mixed_events() -> Vec<Event> {
        vec![
            Event::data("one\ntwo"),
            Event {
                name: Some("named".into()),
                data: "ünï".into(),
                id: Some("7".into()),
            },
            Event {
                name: None,
                data: String::new(),
                id: Some(String::new()),
            },
        ]
    }

    #[test]
    fn every_split_of_the_bytes_gives_the_same_events() {
        let bytes = MIXED.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(
                    parsed(&pieces),
                    mixed_events(),
                    "split at {first} and {second}"
                );
            }
        }
    }

    #[test]
    fn an_encoded_event_has_one_data_line_per_line() {
        let event = Event {
            name: Some("a\nb".into()),
            data: "x\r\ny\rz\n".into(),
            id: Some("1".into()),
        };
        let expected = "event: ab\nid: 1\ndata: x\ndata: y\ndata: z\ndata: \n\n";
        assert_eq!(event.encode(), expected);
    }

    #[test]
    fn comments_are_invisible() {
        let stream = comment("keep\nalive") + &Event::data("x").encode();
        assert_eq!(parsed(&[stream.as_bytes()]), [Event::data("x")]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::with_limit(8);
        assert_eq!(
            parser.push(b"data: 12345"),
            Err(ParseError::TooLong { limit: 8 })
        );
        let mut parser = Parser::with_limit(64);
        let endless = "data: 12345\n".repeat(20);
        assert_eq!(
            parser.push(endless.as_bytes()),
            Err(ParseError::TooLong { limit: 64 })
        );
    }

    #[test]
    fn broken_utf8_is_refused() {
        assert_eq!(
            Parser::default().push(b"data: \xff\n"),
            Err(ParseError::NotUtf8)
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(data in "[^\r]*", name in "[a-z]{1,8}") {
            let event = Event { name: Some(name), data, id: None };
            prop_assert_eq!(parsed(&[event.encode().as_bytes()]), [event]);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Parser::with_limit(100).push(&bytes);
        }
    }
}
