//! A tokenizer as llguidance sees it.

use crate::tokenizer::Tokenizer;
use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use std::sync::Arc;

/// The trie of a tokenizer's tokens, by their bytes.
///
/// Control tokens have no bytes here, so that none is ever part of a value. A token that the
/// vocabulary does not have, one behind its last, stands for the end of an answer: which tokens
/// really end one is the request's affair, see [`super::Matcher`].
struct Vocabulary {
    trie: TokTrie,
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.greedy_tokenize(bytes)
    }

    /// The longest token first is not how a model would write it: nothing is ever forced.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}

/// The trie of this tokenizer. Costs some 100 ms and 10 MB for 150,000 tokens.
pub(super) fn token_environment(tokenizer: &Tokenizer) -> TokEnv {
    let size = tokenizer.vocabulary_size() as u32;
    let mut words: Vec<Vec<u8>> = (0..size)
        .map(|id| match tokenizer.is_control(id) {
            true => Vec::new(),
            false => word(tokenizer.token_bytes(id).into_owned()),
        })
        .collect();
    let end = size;
    words.push(Vec::new());
    let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words);
    Arc::new(Vocabulary { trie })
}

/// 0xFF marks control tokens inside llguidance and never occurs in UTF-8, nor do overlong tokens
/// help anyone.
fn word(bytes: Vec<u8>) -> Vec<u8> {
    match bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) || bytes.len() > 255 {
        true => Vec::new(),
        false => bytes,
    }
}
