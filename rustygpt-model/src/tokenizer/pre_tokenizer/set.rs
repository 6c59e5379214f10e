//! Character sets of the split patterns.

use super::super::character::{Cell, category};

/// A set of characters: ASCII by bitmap, the rest by category and by explicit ranges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    ascii: u128,
    categories: u8,
    ranges: &'static [(u32, u32)],
    negated: bool,
}

const fn span(first: u8, last: u8) -> u128 {
    let mut bits = 0;
    let mut byte = first;
    while byte <= last {
        bits |= 1 << byte;
        byte += 1;
    }
    bits
}

const fn bytes(list: &[u8]) -> u128 {
    let mut bits = 0;
    let mut index = 0;
    while index < list.len() {
        bits |= 1 << list[index];
        index += 1;
    }
    bits
}

impl Set {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self {
            ascii: 0,
            categories: 0,
            ranges: &[],
            negated: false,
        }
    }

    /// Adds ASCII characters.
    pub(super) const fn ascii(mut self, list: &[u8]) -> Self {
        self.ascii |= bytes(list);
        self
    }

    /// Adds a range of ASCII characters, both ends included.
    pub(super) const fn ascii_span(mut self, first: u8, last: u8) -> Self {
        self.ascii |= span(first, last);
        self
    }

    /// Adds `\p{L}`.
    pub(super) const fn letters(mut self) -> Self {
        self.ascii |= span(b'A', b'Z') | span(b'a', b'z');
        self.categories |= category::LETTER;
        self
    }

    /// Adds `\p{N}`.
    pub(super) const fn numbers(mut self) -> Self {
        self.ascii |= span(b'0', b'9');
        self.categories |= category::NUMBER;
        self
    }

    /// Adds `\p{M}`.
    pub(super) const fn marks(mut self) -> Self {
        self.categories |= category::MARK;
        self
    }

    /// Adds `\p{P}`.
    pub(super) const fn punctuation(mut self) -> Self {
        self.ascii |= bytes(b"!\"#%&'()*,-./:;?@[\\]_{}");
        self.categories |= category::PUNCTUATION;
        self
    }

    /// Adds `\p{S}`.
    pub(super) const fn symbols(mut self) -> Self {
        self.ascii |= bytes(b"$+<=>^`|~");
        self.categories |= category::SYMBOL;
        self
    }

    /// Adds `\s`.
    pub(super) const fn spaces(mut self) -> Self {
        self.ascii |= span(9, 13) | 1 << b' ';
        self.categories |= category::SPACE;
        self
    }

    /// Adds ranges outside ASCII, both ends included. White space is in none of them: the patterns
    /// see every white-space character outside ASCII as a vertical tab.
    pub(super) const fn ranges(mut self, ranges: &'static [(u32, u32)]) -> Self {
        self.ranges = ranges;
        self
    }

    /// Everything that is not in the set so far.
    pub(super) const fn negated(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    /// Whether the character is in the set.
    #[inline]
    pub(super) fn contains(&self, cell: Cell) -> bool {
        let code = cell.code();
        let inside = if code < 128 {
            self.ascii >> code & 1 == 1
        } else {
            cell.is(self.categories)
                || (!self.ranges.is_empty()
                    && !cell.is(category::SPACE)
                    && self
                        .ranges
                        .iter()
                        .any(|&(first, last)| (first..=last).contains(&code)))
        };
        inside != self.negated
    }

    /// How many characters from `at` on are in the set, at most `limit`.
    #[inline]
    pub(super) fn run(&self, cells: &[Cell], at: usize, limit: usize) -> usize {
        let rest = cells.get(at..).unwrap_or_default();
        rest.iter()
            .take(limit)
            .take_while(|&&cell| self.contains(cell))
            .count()
    }

    /// Whether the character at `at` is in the set; false past the end.
    #[inline]
    pub(super) fn holds(&self, cells: &[Cell], at: usize) -> bool {
        cells.get(at).is_some_and(|&cell| self.contains(cell))
    }
}
