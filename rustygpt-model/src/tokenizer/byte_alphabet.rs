//! The scripted model's tokenizer: every byte is a token.

use std::borrow::Cow;

use super::Piece;

const CONTROLS: [&str; 3] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

#[derive(Debug)]
pub(super) struct ByteAlphabet {
    bytes: [u8; 256],
}

impl ByteAlphabet {
    pub(super) fn new() -> Self {
        let mut bytes = [0; 256];
        for (value, byte) in (0..=255).zip(&mut bytes) {
            *byte = value;
        }
        Self { bytes }
    }

    pub(super) fn controls(&self) -> impl Iterator<Item = (&str, u32)> {
        CONTROLS.into_iter().zip(256..)
    }

    pub(super) fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        let index = id as usize;
        if let Some(name) = index.checked_sub(256).and_then(|index| CONTROLS.get(index)) {
            return Cow::Borrowed(name.as_bytes());
        }
        Cow::Borrowed(self.bytes.get(index..=index).unwrap_or_default())
    }

    pub(super) fn partition<'a>(&self, mut text: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        while let Some((start, name, id)) = self
            .controls()
            .filter_map(|(name, id)| text.find(name).map(|start| (start, name, id)))
            .min_by_key(|(start, ..)| *start)
        {
            if start > 0 {
                pieces.push(Piece::Text(Cow::Borrowed(&text[..start])));
            }
            pieces.push(Piece::Control(id));
            text = &text[start + name.len()..];
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(Cow::Borrowed(text)));
        }
        pieces
    }
}
