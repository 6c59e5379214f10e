//! SentencePiece's byte-pair model: merges the adjacent pair whose union is the token with the
//! highest score, leftmost first, until none is left; characters outside the vocabulary become
//! bytes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::vocabulary::Vocabulary;

const GONE: u32 = u32::MAX;

struct Symbol {
    start: u32,
    length: u32,
    previous: u32,
    next: u32,
}

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

/// Appends the ids of a text whose spaces are written as the vocabulary writes them.
pub(super) fn encode(vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
    let bytes = text.as_bytes();
    let mut symbols = Vec::with_capacity(bytes.len());
    let mut index = 0_u32;
    for (start, character) in text.char_indices() {
        symbols.push(Symbol {
            start: start as u32,
            length: character.len_utf8() as u32,
            previous: index.wrapping_sub(1),
            next: index + 1,
        });
        index += 1;
    }
    let Some(last) = symbols.last_mut() else {
        return;
    };
    last.next = GONE;

    let pair = |symbols: &[Symbol], left: u32, right: u32| {
        let (first, second) = (symbols.get(left as usize)?, symbols.get(right as usize)?);
        let length = first.length + second.length;
        if length as usize > vocabulary.longest_token() {
            return None;
        }
        let union = bytes.get(first.start as usize..(first.start + length) as usize)?;
        let score = vocabulary.score(vocabulary.id_of_bytes(union)?);
        Some(Pair {
            score,
            left,
            right,
            length,
        })
    };
    let pairs: Vec<Pair> = (1..index)
        .filter_map(|right| pair(&symbols, right - 1, right))
        .collect();
    let mut heap = BinaryHeap::from(pairs);
    while let Some(best) = heap.pop() {
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
        heap.extend(pair(&symbols, symbols[left].previous, best.left));
        heap.extend(pair(&symbols, best.left, next));
    }

    for symbol in symbols.iter().filter(|symbol| symbol.length > 0) {
        let span = &bytes[symbol.start as usize..(symbol.start + symbol.length) as usize];
        match vocabulary.id_of_bytes(span) {
            Some(id) => ids.push(id),
            None => ids.extend(span.iter().filter_map(|&byte| vocabulary.id_of_byte(byte))),
        }
    }
}
