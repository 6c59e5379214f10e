//! Codes that a person carries by hand, once: to become the first owner, to set a new password, to
//! accept an invitation, to open the web page.

use crate::access::KeyDigest;
use rustygpt_utils::random::{self, NoRandomness};
use std::fmt;

/// Crockford's alphabet: no letter that is taken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code, each of five bits: 100 bits cannot be guessed.
const LENGTH: usize = 20;
const GROUP: usize = 5;

/// A code in the clear: shown once, then only its digest is kept.
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// Makes a code of 100 random bits.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system has none to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        let symbol = |byte: u8| char::from(ALPHABET[usize::from(byte & 31)]);
        Ok(Self(
            random::bytes::<LENGTH>()?.into_iter().map(symbol).collect(),
        ))
    }

    /// Reads what somebody typed or pasted: dashes, spaces and case do not matter, and letters that
    /// look like digits are taken for them. `None` for what cannot be a code.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // Nothing longer is a code, whatever it is padded with.
        if text.len() > LENGTH * 4 {
            return None;
        }
        let mut code = String::with_capacity(LENGTH);
        for character in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let character = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            if !character.is_ascii() || !ALPHABET.contains(&(character as u8)) {
                return None;
            }
            code.push(character);
        }
        (code.len() == LENGTH).then_some(Self(code))
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(&self.0)
    }

    /// The code as a person reads it: `7ZK2M-…`.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
        for (place, symbol) in self.0.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(symbol);
        }
        text
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OneTimeCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_typed() {
        let code = OneTimeCode::generate().unwrap();
        let shown = code.reveal();
        assert_eq!(shown.len(), LENGTH + 3, "{shown}");
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            shown.replace('0', "o").replace('1', "l"),
            format!(" {} ", shown.replace('-', "")),
        ] {
            assert_eq!(
                OneTimeCode::read(&typed).unwrap().digest(),
                code.digest(),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        let long = "0".repeat(LENGTH + 1);
        let padded = " ".repeat(1000) + &"0".repeat(LENGTH);
        for wrong in ["", "ABC", "UUUUU-UUUUU-UUUUU-UUUUU", "é", &long, &padded] {
            assert!(OneTimeCode::read(wrong).is_none(), "{wrong}");
        }
    }
}
