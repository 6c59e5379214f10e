//! GPT-2's printable alphabet: each byte is written as one character, so that a vocabulary of byte
//! strings can be kept as text. Printable Latin-1 stands for itself, the rest is moved to U+0100…

/// The character that stands for a byte.
pub(super) fn character_of(byte: u8) -> char {
    match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        // The others in order: 0x00–0x20, 0x7F–0xA0, 0xAD.
        0..=0x20 => moved(byte.into()),
        0x7F..=0xA0 => moved(u32::from(byte) - 0x7F + 0x21),
        0xAD => moved(0x43),
    }
}

fn moved(offset: u32) -> char {
    char::from_u32(0x100 + offset).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for.
pub(super) fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => u8::try_from(code)
            .ok()
            .filter(|&byte| character_of(byte) == character),
    }
}

/// The bytes of a token's text; characters outside the alphabet stand for themselves.
pub(super) fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The text of bytes in the alphabet.
pub(super) fn from_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| character_of(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character_and_back() {
        let characters: std::collections::BTreeSet<char> = (0..=255).map(character_of).collect();
        assert_eq!(characters.len(), 256);
        for byte in 0..=255 {
            assert_eq!(byte_of(character_of(byte)), Some(byte));
        }
        assert_eq!(character_of(b' '), 'Ġ');
        assert_eq!(character_of(b'\n'), 'Ċ');
        assert_eq!(byte_of('▁'), None);
    }
}
