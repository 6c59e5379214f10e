//! What a character is: the Unicode categories that pre-tokenizers ask for, looked up once per
//! character of the text.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, HirKind};

/// Categories of a character, one bit each.
pub(super) mod category {
    /// `\p{L}`
    pub(in super::super) const LETTER: u8 = 1;
    /// `\p{N}`
    pub(in super::super) const NUMBER: u8 = 2;
    /// `\p{M}`
    pub(in super::super) const MARK: u8 = 4;
    /// `\p{P}`
    pub(in super::super) const PUNCTUATION: u8 = 8;
    /// `\p{S}`
    pub(in super::super) const SYMBOL: u8 = 16;
    /// `\s`
    pub(in super::super) const SPACE: u8 = 32;
    /// Control, format and private-use characters; not unassigned ones
    pub(in super::super) const OTHER: u8 = 64;
}

/// Characters newer than Unicode 15.1 have none, as in llama.cpp: vocabularies were made before.
const PROPERTIES: [(&str, u8); 7] = [
    (r"[\p{L}&&\p{age=15.1}]", category::LETTER),
    (r"[\p{N}&&\p{age=15.1}]", category::NUMBER),
    (r"[\p{M}&&\p{age=15.1}]", category::MARK),
    (r"[\p{P}&&\p{age=15.1}]", category::PUNCTUATION),
    (r"[\p{S}&&\p{age=15.1}]", category::SYMBOL),
    (r"\s", category::SPACE),
    (r"[\p{Cc}\p{Cf}\p{Co}]", category::OTHER),
];

/// The categories of a code point; 0 for one that no property names.
pub(super) fn categories(character: u32) -> u8 {
    static TABLE: OnceLock<Box<[u8]>> = OnceLock::new();
    TABLE
        .get_or_init(table)
        .get(character as usize)
        .copied()
        .unwrap_or(0)
}

/// Fills the table from the same Unicode tables that the regex engine uses.
fn table() -> Box<[u8]> {
    let mut table = vec![0_u8; 0x11_0000];
    for (pattern, bit) in PROPERTIES {
        let Ok(parsed) = regex_syntax::Parser::new().parse(pattern) else {
            continue;
        };
        let HirKind::Class(Class::Unicode(class)) = parsed.kind() else {
            continue;
        };
        for range in class.ranges() {
            for entry in &mut table[range.start() as usize..=range.end() as usize] {
                *entry |= bit;
            }
        }
    }
    table.into_boxed_slice()
}

/// A character with its categories: bits 0 to 20 the code point, from 21 the categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell(u32);

impl Cell {
    /// Looks a character up.
    pub(super) fn new(character: char) -> Self {
        let code = u32::from(character);
        Self(code | u32::from(categories(code)) << 21)
    }

    /// The code point.
    pub(super) fn code(self) -> u32 {
        self.0 & 0x1F_FFFF
    }

    /// The categories, see [`category`].
    pub(super) fn categories(self) -> u8 {
        (self.0 >> 21) as u8
    }

    /// Whether it has one of the categories.
    pub(super) fn is(self, mask: u8) -> bool {
        self.categories() & mask != 0
    }

    /// Whether it is this ASCII character.
    pub(super) fn is_ascii(self, byte: u8) -> bool {
        self.code() == u32::from(byte)
    }

    /// Bytes in UTF-8.
    pub(super) fn utf8_length(self) -> usize {
        match self.code() {
            0..0x80 => 1,
            0x80..0x800 => 2,
            0x800..0x1_0000 => 3,
            _ => 4,
        }
    }
}

/// The characters of a text.
pub(super) fn cells(text: &str) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(text.len());
    cells.extend(text.chars().map(Cell::new));
    cells
}
