//! BERT's WordPiece as llama.cpp reads it: words by white space and punctuation, each cut into the
//! longest tokens from the left; a word that cannot be cut wholly is one unknown token.

use unicode_normalization::UnicodeNormalization;

use super::character::{categories, category};
use super::trie::Trie;
use super::vocabulary::Vocabulary;

/// The word splitter and the tokens as a trie.
#[derive(Debug)]
pub(super) struct WordPiece {
    trie: Trie,
    lowercases: bool,
    strips_accents: bool,
}

impl WordPiece {
    /// Prepares the search.
    pub(super) fn new(vocabulary: &Vocabulary, lowercases: bool, strips_accents: bool) -> Self {
        let mut trie = Trie::default();
        for (id, text) in vocabulary.texts() {
            trie.insert(text.as_bytes(), id);
        }
        Self {
            trie,
            lowercases,
            strips_accents,
        }
    }

    /// Appends the ids of a text; `unknown` stands for words that cannot be cut.
    pub(super) fn encode(&self, text: &str, unknown: Option<u32>, ids: &mut Vec<u32>) {
        let mut word = String::from('▁');
        let empty = word.len();
        let mut finish = |word: &mut String| {
            if word.len() > empty {
                self.encode_word(word, unknown, ids);
                word.truncate(empty);
            }
        };
        let mut each = |character: char| {
            let code = u32::from(character);
            let kind = categories(code);
            if kind & category::SPACE != 0 {
                finish(&mut word);
                return;
            }
            let is_accent = self.strips_accents && kind & category::MARK != 0;
            if code == 0 || code == 0xFFFD || is_control(character) || is_accent {
                return;
            }
            let alone = kind & category::PUNCTUATION != 0
                || (code < 0x7F && kind & category::SYMBOL != 0)
                || is_chinese(code);
            if alone {
                finish(&mut word);
            }
            word.push(if self.lowercases {
                lowercase(character)
            } else {
                character
            });
            if alone {
                finish(&mut word);
            }
        };
        if self.strips_accents {
            for character in text.chars() {
                each(std::iter::once(character).nfd().next().unwrap_or(character));
            }
        } else {
            text.chars().for_each(&mut each);
        }
        finish(&mut word);
    }

    fn encode_word(&self, word: &str, unknown: Option<u32>, ids: &mut Vec<u32>) {
        let start = ids.len();
        let mut rest = word.as_bytes();
        while !rest.is_empty() {
            let Some((length, id)) = self.trie.longest(rest) else {
                ids.truncate(start);
                ids.extend(unknown);
                return;
            };
            ids.push(id);
            rest = &rest[length..];
        }
    }
}

/// Control, format and private-use characters.
fn is_control(character: char) -> bool {
    categories(u32::from(character)) & category::OTHER != 0
}

/// The small letter.
pub(super) fn lowercase(character: char) -> char {
    if categories(u32::from(character)) == 0 {
        return character;
    }
    // Only `İ` has two, of which the second is a mark.
    character.to_lowercase().next().unwrap_or(character)
}

/// The blocks that BERT splits into single characters (as its Rust version has them).
fn is_chinese(code: u32) -> bool {
    matches!(
        code,
        0x4E00..=0x9FFF
            | 0x3400..=0x4DBF
            | 0x2_0000..=0x2_A6DF
            | 0x2_A700..=0x2_B73F
            | 0x2_B740..=0x2_B81F
            | 0x2_B920..=0x2_CEAF
            | 0xF900..=0xFAFF
            | 0x2_F800..=0x2_FA1F
    )
}
