//! SentencePiece's byte-pair model: merges the adjacent pair whose union is the token with the
//! highest score, leftmost first, until none is left; characters outside the vocabulary become
//! bytes, or unknown where the vocabulary has no bytes.
//!
//! The model knows no words: merges run over the whole text. Where no token reaches over the start
//! of a word, though, words can be merged one by one with the same result, and those that repeat
//! need no second look.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::vocabulary::Vocabulary;

const SPACE: char = '▁';
const GONE: u32 = u32::MAX;
/// Stretches of at most so many characters are merged by search.
const SHORT_WORD: usize = 24;
/// Words of at most so many bytes are remembered.
const REMEMBERED_BYTES: usize = 48;
/// At most so many words are remembered.
const REMEMBERED_WORDS: usize = 1 << 16;

/// What holds for the whole vocabulary.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentencePiece {
    /// No token has a space behind another character.
    words_stand_alone: bool,
}

#[derive(Clone, Copy, Debug)]
struct Symbol {
    start: u32,
    length: u32,
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    score: f32,
    left: u32,
    right: u32,
    length: u32,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

#[derive(Debug, Default)]
struct Scratch {
    symbols: Vec<Symbol>,
    scores: Vec<Option<f32>>,
    heap: BinaryHeap<Pair>,
}

impl SentencePiece {
    /// Looks the vocabulary over.
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let reaches_over = |text: &str| word_starts(text).next().is_some();
        Self {
            words_stand_alone: !vocabulary.texts().any(|(_, text)| reaches_over(text)),
        }
    }

    /// Appends the ids of a text whose spaces are written as the vocabulary writes them.
    pub(super) fn encode(self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        let mut scratch = Scratch::default();
        if !self.words_stand_alone {
            scratch.encode(vocabulary, text, ids);
            return;
        }
        // Keyed by words of a request, so with the hash that cannot be crowded.
        let mut remembered: HashMap<&str, (u32, u32)> = HashMap::new();
        let mut from = 0;
        for end in word_starts(text).chain([text.len()]) {
            let word = &text[from..end];
            from = end;
            if let Some(&(start, length)) = remembered.get(word) {
                let start = start as usize;
                ids.extend_from_within(start..start + length as usize);
                continue;
            }
            let start = ids.len();
            scratch.encode(vocabulary, word, ids);
            if word.len() <= REMEMBERED_BYTES && remembered.len() < REMEMBERED_WORDS {
                remembered.insert(word, (start as u32, (ids.len() - start) as u32));
            }
        }
    }
}

/// Where a space stands behind another character.
fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(SPACE)
        .map(|(at, _)| at)
        .filter(move |&at| at > 0 && !text[..at].ends_with(SPACE))
}

impl Scratch {
    fn encode(&mut self, vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
        self.symbols.clear();
        for (index, (start, character)) in (0_u32..).zip(text.char_indices()) {
            self.symbols.push(Symbol {
                start: start as u32,
                length: character.len_utf8() as u32,
                previous: index.wrapping_sub(1),
                next: index + 1,
            });
        }
        let Some(last) = self.symbols.last_mut() else {
            return;
        };
        last.next = GONE;
        if self.symbols.len() <= SHORT_WORD {
            self.merge_short(vocabulary, text);
        } else {
            self.merge_long(vocabulary, text);
        }
        for symbol in self.symbols.iter().filter(|symbol| symbol.length > 0) {
            let span = span(text, symbol.start, symbol.length);
            match vocabulary.id_of_bytes(span) {
                Some(id) => ids.push(id),
                None => vocabulary.append_bytes(span, ids),
            }
        }
    }

    /// Repeated search for the highest score.
    fn merge_short(&mut self, vocabulary: &Vocabulary, text: &str) {
        let score = |pair: &[Symbol]| {
            let length = pair[0].length + pair[1].length;
            union_score(vocabulary, text, pair[0].start, length)
        };
        self.scores.clear();
        self.scores.extend(self.symbols.windows(2).map(score));
        loop {
            let mut best: Option<(usize, f32)> = None;
            for (index, &score) in self.scores.iter().enumerate() {
                let Some(score) = score else { continue };
                if best.is_none_or(|(_, best)| score.total_cmp(&best) == Ordering::Greater) {
                    best = Some((index, score));
                }
            }
            let Some((index, _)) = best else { return };
            self.symbols[index].length += self.symbols[index + 1].length;
            self.symbols.remove(index + 1);
            self.scores.remove(index);
            if index > 0 {
                self.scores[index - 1] = score(&self.symbols[index - 1..=index]);
            }
            if let Some(pair) = self.symbols.get(index..index + 2) {
                self.scores[index] = score(pair);
            }
        }
    }

    /// The same through a heap and a linked list.
    fn merge_long(&mut self, vocabulary: &Vocabulary, text: &str) {
        let symbols = &mut self.symbols;
        let pair = |symbols: &[Symbol], left: u32, right: u32| {
            let (first, second) = (symbols.get(left as usize)?, symbols.get(right as usize)?);
            let length = first.length + second.length;
            let score = union_score(vocabulary, text, first.start, length)?;
            Some(Pair {
                score,
                left,
                right,
                length,
            })
        };
        self.heap.clear();
        let count = symbols.len() as u32;
        self.heap
            .extend((1..count).filter_map(|right| pair(symbols, right - 1, right)));
        while let Some(best) = self.heap.pop() {
            let (left, right) = (best.left as usize, best.right as usize);
            let (first, second) = (symbols[left].length, symbols[right].length);
            if first == 0 || second == 0 || first + second != best.length {
                continue;
            }
            symbols[left].length = best.length;
            symbols[right].length = 0;
            let next = symbols[right].next;
            symbols[left].next = next;
            if let Some(next) = symbols.get_mut(next as usize) {
                next.previous = best.left;
            }
            self.heap
                .extend(pair(symbols, symbols[left].previous, best.left));
            self.heap.extend(pair(symbols, best.left, next));
        }
    }
}

fn span(text: &str, start: u32, length: u32) -> &[u8] {
    text.as_bytes()
        .get(start as usize..(start + length) as usize)
        .unwrap_or_default()
}

/// The score of the token that is this stretch of the text.
#[inline]
fn union_score(vocabulary: &Vocabulary, text: &str, start: u32, length: u32) -> Option<f32> {
    if length as usize > vocabulary.longest_token() {
        return None;
    }
    Some(vocabulary.score(vocabulary.id_of_bytes(span(text, start, length))?))
}
