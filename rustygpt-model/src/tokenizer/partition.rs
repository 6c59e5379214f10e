//! Finds tokens that stand in a text by name.
//!
//! As llama.cpp does it: the longest names are taken out first, each from left to right, then
//! shorter ones from what is left. All occurrences are found in one pass, so that many names cost
//! no more than few.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Piece;
use super::trie::Trie;

/// A token that is found by its name.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) id: u32,
    pub(super) text: Box<str>,
    /// Takes the white space before it.
    pub(super) strips_left: bool,
    /// Takes the white space behind it.
    pub(super) strips_right: bool,
}

/// Tokens that are found by their names.
#[derive(Debug, Default)]
pub(super) struct Names {
    trie: Trie,
    /// Longest first.
    names: Vec<Name>,
    first_bytes: Vec<bool>,
}

impl Names {
    /// Prepares the search. Of equal names the first counts.
    pub(super) fn new(mut names: Vec<Name>) -> Self {
        names.retain(|name| !name.text.is_empty());
        names.sort_by_key(|name| std::cmp::Reverse(name.text.len()));
        let mut trie = Trie::default();
        let mut first_bytes = vec![false; 256];
        for (rank, name) in names.iter().enumerate().rev() {
            trie.insert(name.text.as_bytes(), rank as u32);
            first_bytes[usize::from(name.text.as_bytes()[0])] = true;
        }
        Self {
            trie,
            names,
            first_bytes,
        }
    }

    /// Splits a text at the names.
    pub(super) fn partition<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let bytes = text.as_bytes();
        let mut found: Vec<(u32, usize)> = Vec::new();
        if !self.trie.is_empty() {
            for (at, &byte) in bytes.iter().enumerate() {
                if self.first_bytes[usize::from(byte)] {
                    found.extend(self.trie.prefixes(&bytes[at..]).map(|(_, rank)| (rank, at)));
                }
            }
        }
        found.sort_unstable();
        // Start of what is taken to its end (with the white space it takes) and the name.
        let mut taken: BTreeMap<usize, (usize, u32)> = BTreeMap::new();
        for (rank, at) in found {
            let name = &self.names[rank as usize];
            let end = at + name.text.len();
            let before = taken
                .range(..end)
                .next_back()
                .map_or(0, |(_, &(end, _))| end);
            if before > at {
                continue;
            }
            let after = taken
                .range(end..)
                .next()
                .map_or(bytes.len(), |(&start, _)| start);
            let mut start = at;
            let mut stop = end;
            if name.strips_left {
                start -= trailing_spaces(&bytes[before..at]);
            }
            if name.strips_right {
                stop += bytes[end..after]
                    .iter()
                    .take_while(|byte| is_space(**byte))
                    .count();
            }
            taken.insert(start, (stop, name.id));
        }
        let mut pieces = Vec::with_capacity(2 * taken.len() + 1);
        let mut from = 0;
        let push = |pieces: &mut Vec<Piece<'t>>, text: Option<&'t str>| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                pieces.push(Piece::Text(Cow::Borrowed(text)));
            }
        };
        for (start, (stop, id)) in taken {
            push(&mut pieces, text.get(from..start));
            pieces.push(Piece::Control(id));
            from = stop;
        }
        push(&mut pieces, text.get(from..));
        pieces
    }
}

/// C's `isspace`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 9..=13 | b' ')
}

fn trailing_spaces(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rev()
        .take_while(|byte| is_space(**byte))
        .count()
}
