//! [`StopMatcher`]: stop strings in a stream of text.

use super::sections::longest_beginning;

/// What came of a piece of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Text that is no part of a stop string and cannot become one.
    pub text: String,
    /// Whether a stop string is complete: the answer ends after `text`.
    pub is_stopped: bool,
}

/// Finds stop strings in a stream of text, however the text is cut into pieces.
///
/// The stop string that is complete first ends the answer; the longest one where several are
/// complete at the same character. That is the only rule that does not depend on how the text is
/// cut.
#[derive(Clone, Debug, Default)]
pub struct StopMatcher {
    stops: Vec<String>,
    /// The longest end of the text so far that is the beginning of a stop string.
    held: String,
    /// Which of `stops` ended the answer.
    matched: Option<usize>,
}

impl StopMatcher {
    /// A matcher of these strings; empty ones are left out.
    #[must_use]
    pub fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self {
            stops,
            held: String::new(),
            matched: None,
        }
    }

    /// Bytes held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The stop string that ended the answer.
    #[must_use]
    pub fn matched(&self) -> Option<&str> {
        self.stops.get(self.matched?).map(String::as_str)
    }

    /// Adds text. After a match nothing more may be added.
    pub fn push(&mut self, text: String) -> Matched {
        if self.stops.is_empty() {
            return Matched {
                text,
                is_stopped: false,
            };
        }
        let mut all = std::mem::take(&mut self.held);
        all.push_str(&text);
        // By its end, and among equal ends by its start.
        let first = self
            .stops
            .iter()
            .enumerate()
            .filter_map(|(index, stop)| {
                all.find(stop.as_str())
                    .map(|start| (start + stop.len(), start, index))
            })
            .min();
        if let Some((_, start, index)) = first {
            self.matched = Some(index);
            all.truncate(start);
            return Matched {
                text: all,
                is_stopped: true,
            };
        }
        let held = self
            .stops
            .iter()
            .map(|stop| longest_beginning(&all, stop))
            .max()
            .unwrap_or(0);
        self.held = all.split_off(all.len() - held);
        Matched {
            text: all,
            is_stopped: false,
        }
    }

    /// The text still held back, at the end of an answer that no stop string ended.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts after the first character at which a stop string is complete.
    fn text_before_first_stop(text: &str, stops: &[String]) -> (String, bool) {
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            let complete = stops
                .iter()
                .filter(|stop| !stop.is_empty() && text[..end].ends_with(stop.as_str()));
            if let Some(longest) = complete.map(String::len).max() {
                return (text[..end - longest].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    fn run(pieces: &[String], stops: &[String]) -> (String, bool) {
        let mut matcher = StopMatcher::new(stops.to_vec());
        let mut output = String::new();
        for piece in pieces {
            let matched = matcher.push(piece.clone());
            output.push_str(&matched.text);
            if matched.is_stopped {
                return (output, true);
            }
        }
        output.push_str(&matcher.finish());
        (output, false)
    }

    #[test]
    fn text_that_only_began_like_a_stop_string_comes_late_but_whole() {
        let mut matcher = StopMatcher::new(vec!["</end>".to_owned()]);
        assert_eq!(matcher.push("a </en".to_owned()).text, "a ");
        assert_eq!(matcher.push("try> b".to_owned()).text, "</entry> b");
    }

    #[test]
    fn the_string_that_ended_the_answer_is_known() {
        let stops = ["END", " END", "never"].map(str::to_owned).to_vec();
        let mut matcher = StopMatcher::new(stops);
        assert!(!matcher.push("one EN".to_owned()).is_stopped);
        assert_eq!(matcher.matched(), None);
        assert!(matcher.push("D two".to_owned()).is_stopped);
        assert_eq!(matcher.matched(), Some(" END"));
    }

    proptest! {
        /// A small alphabet, so that stops and their beginnings really occur; `é` and `€` for
        /// characters of several bytes.
        #[test]
        fn output_is_the_text_before_the_first_stop(
            pieces in prop::collection::vec("[abé€]{0,5}", 0..12),
            stops in prop::collection::vec("[abé€]{0,4}", 0..4),
        ) {
            prop_assert_eq!(run(&pieces, &stops), text_before_first_stop(&pieces.concat(), &stops));
        }

        #[test]
        fn nothing_is_held_back_that_no_stop_begins_with(
            text in "[abc]{0,9}",
            stops in prop::collection::vec("[abc]{1,4}", 0..3),
        ) {
            let mut matcher = StopMatcher::new(stops.clone());
            let matched = matcher.push(text.clone());
            if !matched.is_stopped {
                let held = &text[text.len() - matcher.held()..];
                prop_assert!(held.is_empty() || stops.iter().any(|stop| stop.starts_with(held)));
            }
        }
    }
}
