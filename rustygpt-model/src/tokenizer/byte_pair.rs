//! Byte-pair merges by rank: within a word the pair with the lowest rank is merged first, leftmost
//! first, until no pair has a rank.
//!
//! Short words are merged by repeated search, long ones through a heap, so that the cost stays
//! close to linear whatever the word. Words that repeat are remembered for the length of one call.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::byte_text;
use super::hash::QuickMap;
use super::pre_tokenizer::Recipe;
use super::vocabulary::Vocabulary;

const NONE: u32 = u32::MAX;
/// Words of at most so many symbols are merged by search.
const SHORT_WORD: usize = 24;
/// Words of at most so many bytes are remembered.
const REMEMBERED_BYTES: usize = 48;
/// At most so many words are remembered.
const REMEMBERED_WORDS: usize = 1 << 16;

/// The merges of a vocabulary. Symbols are the distinct strings that merges name or make.
#[derive(Debug)]
pub(super) struct BytePairs {
    recipe: Recipe,
    /// `(left, right)` symbols to rank and merged symbol.
    merges: QuickMap<(u32, u32), (u32, u32)>,
    /// Symbol of each byte of the alphabet, for text in GPT-2's alphabet.
    byte_symbols: Box<[u32; 256]>,
    /// Symbol of each character, for raw text.
    character_symbols: QuickMap<u32, u32>,
    /// Token of each symbol, or [`NONE`].
    tokens: Vec<u32>,
    /// Token of each byte that no merge reached.
    byte_tokens: Box<[u32; 256]>,
    /// Words that are tokens as they stand, for [`Recipe::ignores_merges`].
    whole_words: QuickMap<Box<[u8]>, u32>,
}

struct Symbols<'a> {
    vocabulary: &'a Vocabulary,
    numbers: QuickMap<Box<str>, u32>,
    tokens: Vec<u32>,
}

impl Symbols<'_> {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.tokens.len() as u32;
        self.tokens
            .push(self.vocabulary.id_of_bytes(text.as_bytes()).unwrap_or(NONE));
        self.numbers.insert(text.into(), number);
        number
    }
}

impl BytePairs {
    /// Reads the merges (`"left right"`, in order of rank) over a vocabulary.
    pub(super) fn new(recipe: Recipe, vocabulary: &Vocabulary, merges: &[String]) -> Self {
        let mut symbols = Symbols {
            vocabulary,
            numbers: QuickMap::default(),
            tokens: Vec::new(),
        };
        let mut byte_symbols = Box::new([NONE; 256]);
        let mut byte_tokens = Box::new([NONE; 256]);
        for byte in 0..=u8::MAX {
            let index = usize::from(byte);
            if recipe.raw_text {
                let name = format!("<0x{byte:02X}>");
                byte_tokens[index] = vocabulary.id_of_bytes(name.as_bytes()).unwrap_or(NONE);
            } else {
                let text = byte_text::from_bytes(&[byte]);
                byte_symbols[index] = symbols.number(&text);
                byte_tokens[index] = vocabulary.id_of_bytes(text.as_bytes()).unwrap_or(NONE);
            }
        }
        let mut ranks = QuickMap::default();
        ranks.reserve(merges.len());
        let mut union = String::new();
        for (rank, merge) in (0_u32..).zip(merges) {
            // The separator is the first space that is not the first character.
            let skipped = merge.chars().next().map_or(0, char::len_utf8);
            let Some(space) = merge[skipped..].find(' ').map(|space| space + skipped) else {
                continue;
            };
            let (left, right) = (&merge[..space], &merge[space + 1..]);
            union.clear();
            union.push_str(left);
            union.push_str(right);
            let pair = (symbols.number(left), symbols.number(right));
            let merged = symbols.number(&union);
            ranks.entry(pair).or_insert((rank, merged));
        }
        let mut character_symbols = QuickMap::default();
        let mut whole_words = QuickMap::default();
        for (id, text) in vocabulary.texts() {
            let mut characters = text.chars();
            if recipe.raw_text {
                if let (Some(character), None) = (characters.next(), characters.next()) {
                    character_symbols.insert(u32::from(character), symbols.number(text));
                }
                if recipe.line_break_tokens && text.bytes().all(|byte| byte == b'\n') {
                    whole_words.insert(text.as_bytes().into(), id);
                }
            } else if recipe.ignores_merges
                && characters.all(|character| byte_text::byte_of(character).is_some())
            {
                whole_words.insert(byte_text::to_bytes(text).into(), id);
            }
        }
        if recipe.raw_text {
            for text in symbols.numbers.keys() {
                let mut characters = text.chars();
                if let (Some(character), None) = (characters.next(), characters.next()) {
                    character_symbols.insert(u32::from(character), symbols.numbers[text]);
                }
            }
        }
        let tokens = symbols.tokens;
        Self {
            recipe,
            merges: ranks,
            byte_symbols,
            character_symbols,
            tokens,
            byte_tokens,
            whole_words,
        }
    }

    /// Appends the ids of a text.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let mut scratch = Scratch::default();
        // Keyed by words of a request, so with the hash that cannot be crowded.
        let mut remembered: HashMap<&[u8], (u32, u32)> = HashMap::new();
        self.recipe.split(text, |word| {
            let key = word.as_bytes();
            if let Some(&id) = self.whole_words.get(key) {
                ids.push(id);
                return;
            }
            if key.len() > REMEMBERED_BYTES {
                self.encode_word(word, &mut scratch, ids);
                return;
            }
            if let Some(&(start, length)) = remembered.get(key) {
                let start = start as usize;
                ids.extend_from_within(start..start + length as usize);
                return;
            }
            let start = ids.len();
            self.encode_word(word, &mut scratch, ids);
            if remembered.len() < REMEMBERED_WORDS {
                remembered.insert(key, (start as u32, (ids.len() - start) as u32));
            }
        });
    }

    fn encode_word(&self, word: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        scratch.fill(self, word);
        if scratch.symbols.len() <= SHORT_WORD {
            scratch.merge_short(self);
        } else {
            scratch.merge_long(self);
        }
        for unit in scratch.symbols.iter().filter(|unit| unit.length > 0) {
            let token = self
                .tokens
                .get(unit.symbol as usize)
                .copied()
                .unwrap_or(NONE);
            if token != NONE {
                ids.push(token);
                continue;
            }
            let span = &word.as_bytes()[unit.start as usize..(unit.start + unit.length) as usize];
            let bytes = span.iter().map(|&byte| self.byte_tokens[usize::from(byte)]);
            ids.extend(bytes.filter(|&id| id != NONE));
        }
    }

    #[inline]
    fn merge(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        self.merges.get(&(left, right)).copied()
    }
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    symbol: u32,
    start: u32,
    length: u32,
    previous: u32,
    next: u32,
}

/// Rank, left and right unit, length of both in bytes, merged symbol.
type Candidate = (u32, u32, u32, u32, u32);

#[derive(Debug, Default)]
struct Scratch {
    symbols: Vec<Unit>,
    ranks: Vec<(u32, u32)>,
    heap: BinaryHeap<Reverse<Candidate>>,
}

impl Scratch {
    fn fill(&mut self, pairs: &BytePairs, word: &str) {
        self.symbols.clear();
        let mut push = |symbol: u32, start: usize, length: usize| {
            let index = self.symbols.len() as u32;
            self.symbols.push(Unit {
                symbol,
                start: start as u32,
                length: length as u32,
                previous: index.wrapping_sub(1),
                next: index + 1,
            });
        };
        if pairs.recipe.raw_text {
            for (start, character) in word.char_indices() {
                let symbol = pairs.character_symbols.get(&u32::from(character)).copied();
                push(symbol.unwrap_or(NONE), start, character.len_utf8());
            }
        } else {
            for (start, &byte) in word.as_bytes().iter().enumerate() {
                push(pairs.byte_symbols[usize::from(byte)], start, 1);
            }
        }
    }

    /// Repeated search for the lowest rank.
    fn merge_short(&mut self, pairs: &BytePairs) {
        const UNRANKED: (u32, u32) = (NONE, NONE);
        let rank =
            |left: &Unit, right: &Unit| pairs.merge(left.symbol, right.symbol).unwrap_or(UNRANKED);
        let symbols = &mut self.symbols;
        self.ranks.clear();
        self.ranks
            .extend(symbols.windows(2).map(|pair| rank(&pair[0], &pair[1])));
        loop {
            let best = self
                .ranks
                .iter()
                .enumerate()
                .min_by_key(|(_, (rank, _))| *rank);
            let Some((index, &(lowest, merged))) = best else {
                return;
            };
            if lowest == NONE {
                return;
            }
            symbols[index].symbol = merged;
            symbols[index].length += symbols[index + 1].length;
            symbols.remove(index + 1);
            self.ranks.remove(index);
            if index > 0 {
                self.ranks[index - 1] = rank(&symbols[index - 1], &symbols[index]);
            }
            if index + 1 < symbols.len() {
                self.ranks[index] = rank(&symbols[index], &symbols[index + 1]);
            }
        }
    }

    /// The same through a heap and a linked list.
    fn merge_long(&mut self, pairs: &BytePairs) {
        let symbols = &mut self.symbols;
        let count = symbols.len() as u32;
        let candidate = |symbols: &[Unit], left: u32, right: u32| {
            let (first, second) = (symbols.get(left as usize)?, symbols.get(right as usize)?);
            let (rank, merged) = pairs.merge(first.symbol, second.symbol)?;
            Some(Reverse((
                rank,
                left,
                right,
                first.length + second.length,
                merged,
            )))
        };
        self.heap.clear();
        self.heap
            .extend((1..count).filter_map(|right| candidate(symbols, right - 1, right)));
        while let Some(Reverse((_, left, right, length, merged))) = self.heap.pop() {
            let (first, second) = (symbols[left as usize], symbols[right as usize]);
            if first.length == 0 || second.length == 0 || first.length + second.length != length {
                continue;
            }
            symbols[left as usize].symbol = merged;
            symbols[left as usize].length = length;
            symbols[left as usize].next = second.next;
            symbols[right as usize].length = 0;
            if let Some(next) = symbols.get_mut(second.next as usize) {
                next.previous = left;
            }
            self.heap.extend(candidate(symbols, first.previous, left));
            self.heap.extend(candidate(symbols, left, second.next));
        }
    }
}
