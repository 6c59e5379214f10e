//! Ids back to text as they arrive.

use std::sync::Arc;

use super::Tokenizer;

/// Ids back to text as they arrive: whole characters only. Bytes that cannot become a character
/// any more are given out as U+FFFD; control tokens as nothing.
///
/// It goes on behind a prompt, so that a leading space is kept.
#[derive(Debug)]
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    pending: Vec<u8>,
    /// Control tokens that are given out by their names.
    shown: Vec<u32>,
}

impl Detokenizer {
    /// Starts at the end of a prompt.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self {
            tokenizer,
            pending: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Gives these control tokens out by their names: marks that a reader of the answer needs.
    #[must_use]
    pub fn showing(mut self, control_tokens: &[u32]) -> Self {
        self.shown = control_tokens.to_vec();
        self
    }

    /// The text that this token completes; empty while a character is not whole.
    pub fn push(&mut self, id: u32) -> String {
        if !self.tokenizer.is_control(id) || self.shown.contains(&id) {
            self.pending
                .extend_from_slice(&self.tokenizer.token_bytes(id));
        }
        self.take_whole()
    }

    /// What is left: an unfinished character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }

    /// Whether bytes of an unfinished character are waiting.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn take_whole(&mut self) -> String {
        let mut text = String::new();
        let mut taken = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            taken += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let at_end = taken + invalid.len() == self.pending.len();
            if at_end && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none()) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            taken += invalid.len();
        }
        self.pending.drain(..taken);
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn streamed(ids: &[u32]) -> (Vec<String>, String) {
        let mut detokenizer = Detokenizer::new(Arc::new(Tokenizer::bytes()));
        let parts: Vec<String> = ids.iter().map(|&id| detokenizer.push(id)).collect();
        let rest = detokenizer.finish();
        (parts, rest)
    }

    #[test]
    fn a_split_character_comes_out_whole() {
        let ids: Vec<u32> = "é😀".bytes().map(u32::from).collect();
        let (parts, rest) = streamed(&ids);
        assert_eq!(parts, ["", "é", "", "", "", "😀"]);
        assert_eq!(rest, "");
    }

    #[test]
    fn bytes_that_cannot_be_completed_become_replacement_characters_at_once() {
        let (parts, rest) = streamed(&[0xE4, 0xB8, u32::from(b'a'), 0xFF]);
        assert_eq!(parts, ["", "", "\u{FFFD}a", "\u{FFFD}"]);
        assert_eq!(rest, "");
    }

    #[test]
    fn an_unfinished_end_becomes_one_replacement_character() {
        let (parts, rest) = streamed(&[u32::from(b'a'), 0xF0, 0x9F]);
        assert_eq!(parts.concat(), "a");
        assert_eq!(rest, "\u{FFFD}");
    }

    #[test]
    fn control_tokens_and_absent_ids_yield_nothing() {
        let (parts, rest) = streamed(&[256, 0xC3, 257, 0xA9, 1_000_000, 258]);
        assert_eq!(parts.concat(), "é");
        assert_eq!(rest, "");
    }

    proptest! {
        #[test]
        fn a_stream_is_the_whole(ids in prop::collection::vec(prop_oneof![
            0..300_u32, 0xC0..0xF8_u32, 0x80..0xC0_u32,
        ], 0..60)) {
            let (parts, rest) = streamed(&ids);
            prop_assert_eq!(parts.concat() + &rest, Tokenizer::bytes().decode(&ids));
        }

        #[test]
        fn text_never_holds_a_replacement_character_that_was_not_there(text in "\\PC*") {
            let ids: Vec<u32> = text.bytes().map(u32::from).collect();
            let (parts, rest) = streamed(&ids);
            prop_assert_eq!(rest, "");
            prop_assert_eq!(parts.concat(), text);
        }
    }
}
