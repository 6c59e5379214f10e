//! [`StreamDecoder`]: one choice's tokens to the pieces of its answer.

use super::tool_calls::CallEvent;
use super::{Outline, Piece, Sections, StopMatcher, Turn};
use crate::contract::TokenLogprob;
use crate::tokenizer::{Detokenizer, Tokenizer};
use std::collections::VecDeque;
use std::sync::Arc;

/// What came of a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// New pieces of the answer; none of them empty.
    pub pieces: Vec<Piece>,
    /// The tokens that made them, where log-probabilities were given; they belong to the first
    /// piece of text or reasoning, and there are none without one.
    pub logprobs: Vec<TokenLogprob>,
    /// What happened to the answer beside.
    pub turns: Vec<Turn>,
    /// Whether the answer ends here: a stop string is complete, or its only call.
    pub is_stopped: bool,
}

/// One choice's tokens to the pieces of its answer: whole characters only, never a part of a stop
/// string. Stop strings count in text only, not in reasoning and not in calls.
#[derive(Debug)]
pub struct StreamDecoder {
    detokenizer: Detokenizer,
    sections: Sections,
    stops: StopMatcher,
    /// Bytes of text the detokenizer gave so far, held back or not.
    decoded: usize,
    /// Of those, bytes that were done with before this token.
    given: usize,
    /// Log-probabilities of tokens whose text was not given out, with where their text begins.
    waiting: VecDeque<(usize, TokenLogprob)>,
}

impl StreamDecoder {
    /// A decoder at the start of an answer that is all text.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, stops: Vec<String>) -> Self {
        Self::of_outline(tokenizer, stops, Outline::default(), &[])
    }

    /// A decoder at the start of an answer that may have reasoning and calls; `marks` are the
    /// control tokens that its formats are made of.
    #[must_use]
    pub fn of_outline(
        tokenizer: Arc<Tokenizer>,
        stops: Vec<String>,
        outline: Outline,
        marks: &[u32],
    ) -> Self {
        Self {
            detokenizer: Detokenizer::new(tokenizer).showing(marks),
            sections: Sections::new(outline),
            stops: StopMatcher::new(stops),
            decoded: 0,
            given: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Whether the answer is inside the reasoning.
    #[must_use]
    pub fn is_reasoning(&self) -> bool {
        self.sections.is_reasoning()
    }

    /// Whether there was a call.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.sections.has_calls()
    }

    /// The stop string that ended the answer, if one did.
    #[must_use]
    pub fn stop_string(&self) -> Option<&str> {
        self.stops.matched()
    }

    /// Adds a token. After a stop nothing more may be added.
    pub fn push(&mut self, token: u32, logprob: Option<TokenLogprob>) -> Decoded {
        if let Some(logprob) = logprob {
            self.waiting.push_back((self.decoded, logprob));
        }
        self.given = self.decoded - self.held();
        let text = self.detokenizer.push(token);
        let mut decoded = Decoded::default();
        let mut pieces = Vec::new();
        self.decoded += text.len();
        self.sections.push(&text, &mut pieces, &mut decoded.turns);
        self.take_pieces(pieces, &mut decoded);
        self.take_logprobs(&mut decoded);
        decoded
    }

    /// The rest, at the end of an answer that nothing stopped.
    pub fn finish(&mut self) -> Decoded {
        self.given = self.decoded - self.held();
        let text = self.detokenizer.finish();
        let mut decoded = Decoded::default();
        let mut pieces = Vec::new();
        self.decoded += text.len();
        self.sections.push(&text, &mut pieces, &mut decoded.turns);
        self.sections.finish(&mut pieces);
        self.take_pieces(pieces, &mut decoded);
        if !decoded.is_stopped {
            self.flush_stops(&mut decoded);
        }
        self.take_logprobs(&mut decoded);
        decoded
    }

    fn held(&self) -> usize {
        (self.sections.held() + self.stops.held()).min(self.decoded)
    }

    fn take_pieces(&mut self, pieces: Vec<Piece>, decoded: &mut Decoded) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    let matched = self.stops.push(text);
                    if !matched.text.is_empty() {
                        decoded.pieces.push(Piece::Text(matched.text));
                    }
                    if matched.is_stopped {
                        decoded.is_stopped = true;
                        return;
                    }
                }
                piece => {
                    // What follows is no text: what was held back cannot become a stop string.
                    self.flush_stops(decoded);
                    let is_last =
                        piece == Piece::Call(CallEvent::End) && self.sections.is_single_call();
                    decoded.pieces.push(piece);
                    if is_last {
                        decoded.is_stopped = true;
                        return;
                    }
                }
            }
        }
    }

    fn flush_stops(&mut self, decoded: &mut Decoded) {
        let held = self.stops.finish();
        if !held.is_empty() {
            decoded.pieces.push(Piece::Text(held));
        }
    }

    /// The log-probabilities of the tokens whose text begins before what is held back. A token
    /// that ends in held text comes with its beginning; one whose bytes are no whole character yet
    /// comes with the character. Tokens of calls are not told of.
    fn take_logprobs(&mut self, decoded: &mut Decoded) {
        if decoded.pieces.is_empty() || self.waiting.is_empty() {
            return;
        }
        let end = match decoded.is_stopped {
            // The text behind a stop string is not part of the answer.
            true => self.stopped_at(decoded),
            false => self.decoded - self.held(),
        };
        let count = self.waiting.partition_point(|&(begin, _)| begin < end);
        let taken = self.waiting.drain(..count).map(|(_, logprob)| logprob);
        let is_told = |piece: &Piece| !matches!(piece, Piece::Call(_));
        match decoded.pieces.iter().any(is_told) {
            true => decoded.logprobs = taken.collect(),
            false => drop(taken),
        }
    }

    /// Where in the text the answer ended for a stop string.
    fn stopped_at(&self, decoded: &Decoded) -> usize {
        let text = decoded.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            _ => 0,
        });
        self.given + text.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logprob(id: u32) -> TokenLogprob {
        TokenLogprob {
            id,
            bytes: vec![id as u8],
            logprob: -1.0,
            top: Vec::new(),
        }
    }

    fn text_of(decoded: &Decoded) -> String {
        let texts = decoded.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            other => panic!("{other:?}"),
        });
        texts.collect()
    }

    fn decode(text: &str, stops: &[&str]) -> (String, Vec<u32>, bool) {
        let stops = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut decoder = StreamDecoder::new(Arc::new(Tokenizer::bytes()), stops);
        let mut output = String::new();
        let mut ids = Vec::new();
        let mut is_stopped = false;
        for byte in text.bytes() {
            let decoded = decoder.push(byte.into(), Some(logprob(byte.into())));
            let text = text_of(&decoded);
            assert!(!text.contains(char::REPLACEMENT_CHARACTER));
            assert!(!text.is_empty() || decoded.logprobs.is_empty());
            output.push_str(&text);
            ids.extend(decoded.logprobs.iter().map(|logprob| logprob.id));
            if decoded.is_stopped {
                is_stopped = true;
                break;
            }
        }
        if !is_stopped {
            let rest = decoder.finish();
            output.push_str(&text_of(&rest));
            ids.extend(rest.logprobs.iter().map(|logprob| logprob.id));
        }
        (output, ids, is_stopped)
    }

    #[test]
    fn a_stop_string_cut_by_tokens_and_by_bytes_of_a_character_never_leaks() {
        let (text, ids, is_stopped) = decode("héllo €€ wörld", &["€ w"]);
        assert!(is_stopped);
        assert_eq!(text, "héllo €");
        assert_eq!(ids, "héllo €".bytes().map(u32::from).collect::<Vec<_>>());
    }

    #[test]
    fn an_unfinished_character_ends_as_one_replacement_character() {
        let mut decoder = StreamDecoder::new(Arc::new(Tokenizer::bytes()), Vec::new());
        assert_eq!(decoder.push(0xe2, None).pieces, []);
        assert_eq!(decoder.push(0x82, None).pieces, []);
        assert_eq!(text_of(&decoder.finish()), "\u{fffd}");
    }

    #[test]
    fn control_tokens_make_no_text() {
        let mut decoder = StreamDecoder::new(Arc::new(Tokenizer::bytes()), Vec::new());
        assert_eq!(decoder.push(256, None), Decoded::default());
    }

    proptest! {
        #[test]
        fn each_token_is_reported_once_with_the_text_it_made(
            text in "[abé€🦀]{0,20}",
            stop in "[abé€🦀]{1,3}",
        ) {
            let (output, ids, is_stopped) = decode(&text, &[&stop]);
            let expected = text.split(&stop).next().unwrap_or_default();
            prop_assert_eq!(&output, expected);
            prop_assert_eq!(is_stopped, text.contains(&stop));
            prop_assert_eq!(ids, output.bytes().map(u32::from).collect::<Vec<_>>());
        }
    }
}
