//! [`StreamDecoder`]: one choice's tokens to its text.

use super::StopMatcher;
use crate::contract::TokenLogprob;
use crate::tokenizer::{Detokenizer, Tokenizer};
use std::collections::VecDeque;
use std::sync::Arc;

/// What came of a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// New text of the answer; may be empty.
    pub text: String,
    /// The tokens that made it, where log-probabilities were given; empty if the text is.
    pub logprobs: Vec<TokenLogprob>,
    /// Whether a stop string is complete: the answer ends here.
    pub is_stopped: bool,
}

/// One choice's tokens to its text: whole characters only, never a part of a stop string.
#[derive(Debug)]
pub struct StreamDecoder {
    detokenizer: Detokenizer,
    stops: StopMatcher,
    /// Bytes of text the detokenizer gave so far, held back or not.
    decoded: usize,
    /// Log-probabilities of tokens whose text was not given out, with where their text begins.
    waiting: VecDeque<(usize, TokenLogprob)>,
}

impl StreamDecoder {
    /// A decoder at the start of an answer.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, stops: Vec<String>) -> Self {
        Self {
            detokenizer: Detokenizer::new(tokenizer),
            stops: StopMatcher::new(stops),
            decoded: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Adds a token. After a stop nothing more may be added.
    pub fn push(&mut self, token: u32, logprob: Option<TokenLogprob>) -> Decoded {
        if let Some(logprob) = logprob {
            self.waiting.push_back((self.decoded, logprob));
        }
        let text = self.detokenizer.push(token);
        self.decoded += text.len();
        self.advance(text)
    }

    /// The rest, at the end of an answer that no stop string ended.
    pub fn finish(&mut self) -> Decoded {
        let text = self.detokenizer.finish();
        self.decoded += text.len();
        let mut decoded = self.advance(text);
        if !decoded.is_stopped {
            decoded.text.push_str(&self.stops.finish());
            decoded
                .logprobs
                .extend(self.take_logprobs(self.decoded, &decoded.text));
        }
        decoded
    }

    fn advance(&mut self, text: String) -> Decoded {
        let before = self.decoded - text.len() - self.stops.held();
        let matched = self.stops.push(text);
        let logprobs = self.take_logprobs(before + matched.text.len(), &matched.text);
        Decoded {
            text: matched.text,
            logprobs,
            is_stopped: matched.is_stopped,
        }
    }

    /// The log-probabilities of the tokens whose text begins before `end`. A token that ends in
    /// held text comes with its beginning; one whose bytes are no whole character yet comes with
    /// the character.
    fn take_logprobs(&mut self, end: usize, text: &str) -> Vec<TokenLogprob> {
        if text.is_empty() || self.waiting.is_empty() {
            return Vec::new();
        }
        let count = self.waiting.partition_point(|&(begin, _)| begin < end);
        self.waiting
            .drain(..count)
            .map(|(_, logprob)| logprob)
            .collect()
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

    fn decode(text: &str, stops: &[&str]) -> (String, Vec<u32>, bool) {
        let stops = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut decoder = StreamDecoder::new(Arc::new(Tokenizer::bytes()), stops);
        let mut output = String::new();
        let mut ids = Vec::new();
        let mut is_stopped = false;
        for byte in text.bytes() {
            let decoded = decoder.push(byte.into(), Some(logprob(byte.into())));
            assert!(!decoded.text.contains(char::REPLACEMENT_CHARACTER));
            assert!(!decoded.text.is_empty() || decoded.logprobs.is_empty());
            output.push_str(&decoded.text);
            ids.extend(decoded.logprobs.iter().map(|logprob| logprob.id));
            if decoded.is_stopped {
                is_stopped = true;
                break;
            }
        }
        if !is_stopped {
            let rest = decoder.finish();
            output.push_str(&rest.text);
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
        assert_eq!(decoder.push(0xe2, None).text, "");
        assert_eq!(decoder.push(0x82, None).text, "");
        assert_eq!(decoder.finish().text, "\u{fffd}");
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
