//! SentencePiece's unigram model: of all ways to cut a text into tokens the one whose scores add up
//! highest, found by dynamic programming over the text (Viterbi).

use unicode_normalization::UnicodeNormalization;

use super::charsmap::CharacterMap;
use super::trie::Trie;
use super::vocabulary::{Vocabulary, attribute};

/// How much worse than the worst token an unknown character is.
const UNKNOWN_PENALTY: f32 = 10.0;
const ESCAPED_SPACE: &str = "▁";

/// How text is normalised beside the character map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Normalization {
    pub(super) adds_prefix: bool,
    pub(super) removes_extra: bool,
    /// Text is brought to Unicode's composed form first.
    pub(super) composes: bool,
}

/// The tokens as a trie, and the normalisation.
#[derive(Debug)]
pub(super) struct Unigram {
    tokens: Trie,
    user_defined: Trie,
    map: Option<CharacterMap>,
    normalization: Normalization,
    unknown_score: f32,
}

#[derive(Clone, Copy)]
struct Best {
    score: f64,
    start: u32,
    /// `None` for an unknown character.
    token: Option<u32>,
}

impl Unigram {
    /// Prepares the search.
    pub(super) fn new(
        vocabulary: &Vocabulary,
        map: Option<CharacterMap>,
        normalization: Normalization,
    ) -> Self {
        let mut tokens = Trie::default();
        let mut user_defined = Trie::default();
        let mut lowest = f32::MAX;
        for (id, text) in vocabulary.texts() {
            if vocabulary.has(id, attribute::NORMAL) {
                lowest = lowest.min(vocabulary.score(id));
            }
            let kinds = attribute::NORMAL | attribute::USER_DEFINED | attribute::UNUSED;
            if vocabulary.has(id, kinds) {
                tokens.insert(text.as_bytes(), id);
            }
            if vocabulary.has(id, attribute::USER_DEFINED) {
                user_defined.insert(text.as_bytes(), id);
            }
        }
        Self {
            tokens,
            user_defined,
            map,
            normalization,
            unknown_score: lowest - UNKNOWN_PENALTY,
        }
    }

    /// Appends the ids of a text; `unknown` stands for runs of characters outside the vocabulary.
    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        unknown: Option<u32>,
        ids: &mut Vec<u32>,
    ) {
        let text = if self.normalization.composes {
            self.normalize(&text.nfc().collect::<String>())
        } else {
            self.normalize(text)
        };
        let bytes = text.as_slice();
        let start = Best {
            score: 0.0,
            start: 0,
            token: None,
        };
        let mut bests = vec![
            Best {
                score: f64::MIN,
                ..start
            };
            bytes.len() + 1
        ];
        bests[0] = start;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let width = character_width(byte).min(bytes.len() - at);
            let so_far = bests[at].score;
            let mut offer = |length: usize, token: Option<u32>, score: f64| {
                let best = &mut bests[at + length];
                if so_far + score > best.score {
                    *best = Best {
                        score: so_far + score,
                        start: at as u32,
                        token,
                    };
                }
            };
            let mut whole_character = false;
            for (length, id) in self.tokens.prefixes(&bytes[at..]) {
                whole_character |= length == width;
                let is_added = vocabulary.has(id, attribute::USER_DEFINED);
                let score = if is_added {
                    0.0
                } else {
                    f64::from(vocabulary.score(id))
                };
                offer(length, Some(id), score);
            }
            if !whole_character {
                offer(width, None, f64::from(self.unknown_score));
            }
            at += width;
        }

        let first = ids.len();
        let mut end = bytes.len();
        let mut after_unknown = false;
        while end > 0 {
            let best = bests[end];
            let token = best.token.or(unknown);
            let is_unknown = best.token.is_none() || best.token == unknown;
            if !(is_unknown && after_unknown) {
                ids.extend(token);
            }
            after_unknown = is_unknown;
            // Every reached end lies behind its start; anything else would be a bug, not a loop.
            end = (best.start as usize).min(end - 1);
        }
        ids[first..].reverse();
    }

    /// Applies the character map and writes spaces as the vocabulary does.
    fn normalize(&self, text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 2);
        let mut prefixed = false;
        let mut in_word = false;
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let (consumed, normalized) = self.normalize_prefix(rest);
            for &byte in normalized {
                if byte == b' ' {
                    in_word = false;
                    if !self.normalization.removes_extra {
                        out.extend_from_slice(ESCAPED_SPACE.as_bytes());
                    }
                    continue;
                }
                if !in_word {
                    in_word = true;
                    let prefix = self.normalization.adds_prefix && !prefixed;
                    if prefix || self.normalization.removes_extra {
                        out.extend_from_slice(ESCAPED_SPACE.as_bytes());
                        prefixed = true;
                    }
                }
                out.push(byte);
            }
            at += consumed;
        }
        out
    }

    fn normalize_prefix<'a>(&'a self, rest: &'a [u8]) -> (usize, &'a [u8]) {
        // llama.cpp takes the longest prefix that leads anywhere in its tree of user-defined
        // tokens, whether or not a token ends there.
        let added = self.user_defined.depth(rest);
        if added > 0 {
            return (added, &rest[..added]);
        }
        if let Some((length, replacement)) = self.map.as_ref().and_then(|map| map.longest(rest)) {
            return (length, replacement);
        }
        match rest.first() {
            // Only behind a prefix that ended within a character.
            Some(0x80..0xC0) => (1, "\u{FFFD}".as_bytes()),
            Some(&byte) => {
                let width = character_width(byte).min(rest.len());
                (width, &rest[..width])
            }
            None => (1, rest),
        }
    }
}

fn character_width(byte: u8) -> usize {
    match byte {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}
