//! A byte trie: all tokens that a text starts with, shortest first.

use super::hash::QuickMap;

const NONE: u32 = u32::MAX;

/// Byte strings with a number each.
#[derive(Debug)]
pub(super) struct Trie {
    roots: Box<[u32; 256]>,
    edges: QuickMap<u64, u32>,
    values: Vec<u32>,
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            roots: Box::new([NONE; 256]),
            edges: QuickMap::default(),
            values: Vec::new(),
        }
    }
}

impl Trie {
    /// Adds a string; a later one replaces an equal earlier one. The empty string is not kept.
    pub(super) fn insert(&mut self, text: &[u8], value: u32) {
        let Some((&first, rest)) = text.split_first() else {
            return;
        };
        let values = &mut self.values;
        let mut new_node = || {
            values.push(NONE);
            (values.len() - 1) as u32
        };
        let root = &mut self.roots[usize::from(first)];
        if *root == NONE {
            *root = new_node();
        }
        let mut node = *root;
        for &byte in rest {
            node = *self
                .edges
                .entry(edge(node, byte))
                .or_insert_with(&mut new_node);
        }
        self.values[node as usize] = value;
    }

    /// The strings that `text` starts with, shortest first: their lengths and numbers.
    pub(super) fn prefixes<'a>(
        &'a self,
        text: &'a [u8],
    ) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = NONE;
        let mut depth = 0;
        std::iter::from_fn(move || {
            loop {
                let &byte = text.get(depth)?;
                node = match depth {
                    0 => self.roots[usize::from(byte)],
                    _ => *self.edges.get(&edge(node, byte))?,
                };
                if node == NONE {
                    return None;
                }
                depth += 1;
                let value = self.values[node as usize];
                if value != NONE {
                    return Some((depth, value));
                }
            }
        })
        .fuse()
    }

    /// The longest string that `text` starts with.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, u32)> {
        self.prefixes(text).last()
    }

    /// How many bytes of `text` lead along some string, whether or not one ends there.
    pub(super) fn depth(&self, text: &[u8]) -> usize {
        let mut node = NONE;
        let leads = |(depth, &byte): (usize, &u8)| {
            node = match depth {
                0 => self.roots[usize::from(byte)],
                _ => self.edges.get(&edge(node, byte)).copied().unwrap_or(NONE),
            };
            node != NONE
        };
        text.iter()
            .enumerate()
            .map(leads)
            .take_while(|&leads| leads)
            .count()
    }

    /// Whether it has no strings.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

fn edge(node: u32, byte: u8) -> u64 {
    u64::from(node) << 8 | u64::from(byte)
}
