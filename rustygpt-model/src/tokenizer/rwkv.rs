//! RWKV's tokenizer: always the longest token.

use super::trie::Trie;
use super::vocabulary::Vocabulary;

/// The tokens as a trie.
#[derive(Debug)]
pub(super) struct Rwkv {
    trie: Trie,
}

impl Rwkv {
    /// Prepares the search. The vocabulary writes bytes with backslashes.
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let mut trie = Trie::default();
        for (id, text) in vocabulary.texts() {
            trie.insert(&unescape(text), id);
        }
        Self { trie }
    }

    /// Appends the ids of a text; `unknown` stands for bytes outside the vocabulary.
    pub(super) fn encode(&self, text: &str, unknown: Option<u32>, ids: &mut Vec<u32>) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (length, id) = match self.trie.longest(rest) {
                Some((length, id)) => (length, Some(id)),
                None => (1, unknown),
            };
            ids.extend(id);
            rest = &rest[length..];
        }
    }
}

/// The bytes of a token's text: `\t`, `\n`, `\r`, `\xHH`, and a backslash before anything else.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b't') => out.push(b'\t'),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b'x') => {
                let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
                if let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) {
                    out.push((high << 4 | low) as u8);
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
