//! SentencePiece's precompiled normalisation: a double array of prefixes and their replacements.
//!
//! Layout: a little-endian length, the XOR-compressed double array of that many bytes (Kanda 2018),
//! then the replacements, each closed by a zero byte.

use super::error::TokenizerError;

/// The replacements of a model.
#[derive(Debug)]
pub(super) struct CharacterMap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharacterMap {
    /// Reads the bytes of `tokenizer.ggml.precompiled_charsmap`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let invalid = || TokenizerError::Invalid("the character map is cut short".to_owned());
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(invalid)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length >= rest.len() {
            return Err(invalid());
        }
        let (array, replacements) = rest.split_at(length);
        let (units, _) = array.as_chunks::<4>();
        Ok(Self {
            units: units.iter().map(|&unit| u32::from_le_bytes(unit)).collect(),
            replacements: replacements.to_vec(),
        })
    }

    /// The longest prefix of `text` that has a replacement: its length, and the replacement.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, &[u8])> {
        let mut node = base(*self.units.first()?);
        let mut best = None;
        for (depth, &byte) in text.iter().enumerate() {
            if byte == 0 {
                break;
            }
            node ^= u32::from(byte);
            let Some(&unit) = self.units.get(node as usize) else {
                break;
            };
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            node ^= base(unit);
            if unit >> 8 & 1 == 1 {
                let value = self
                    .units
                    .get(node as usize)
                    .map(|unit| unit & (u32::MAX >> 1));
                best = value.map(|value| (depth + 1, value as usize)).or(best);
            }
        }
        let (length, start) = best?;
        let rest = self.replacements.get(start..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        Some((length, &rest[..end]))
    }
}

fn base(unit: u32) -> u32 {
    (unit >> 10) << ((unit & (1 << 9)) >> 6)
}
