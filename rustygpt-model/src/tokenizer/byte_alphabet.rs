//! The scripted model's tokenizer: every byte is a token.

use std::borrow::Cow;

use super::Piece;
use super::partition::{Name, Names};

const CONTROLS: [&str; 3] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];
const FIRST_CONTROL: u32 = 256;

#[derive(Debug)]
pub(super) struct ByteAlphabet {
    bytes: [u8; 256],
    names: Names,
}

impl ByteAlphabet {
    pub(super) fn new() -> Self {
        let mut bytes = [0; 256];
        for (value, byte) in (0..=255).zip(&mut bytes) {
            *byte = value;
        }
        let names = (FIRST_CONTROL..).zip(CONTROLS).map(|(id, text)| Name {
            id,
            text: text.into(),
            strips_left: false,
            strips_right: false,
        });
        Self {
            bytes,
            names: Names::new(names.collect()),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len() + CONTROLS.len()
    }

    pub(super) fn end_ids(&self) -> &[u32] {
        const { &[FIRST_CONTROL + 1] }
    }

    pub(super) fn name(&self, id: u32) -> Option<&'static str> {
        CONTROLS
            .get(id.checked_sub(FIRST_CONTROL)? as usize)
            .copied()
    }

    pub(super) fn is_control(&self, id: u32) -> bool {
        self.name(id).is_some()
    }

    pub(super) fn id_of(&self, text: &str) -> Option<u32> {
        match text.as_bytes() {
            [byte] => Some(u32::from(*byte)),
            _ => (FIRST_CONTROL..)
                .zip(CONTROLS)
                .find(|(_, name)| *name == text)
                .map(|(id, _)| id),
        }
    }

    pub(super) fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        if let Some(name) = self.name(id) {
            return Cow::Borrowed(name.as_bytes());
        }
        let index = id as usize;
        Cow::Borrowed(self.bytes.get(index..=index).unwrap_or_default())
    }

    pub(super) fn partition<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        self.names.partition(text)
    }

    pub(super) fn encode(&self, pieces: &[Piece<'_>]) -> Vec<u32> {
        let mut ids = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => ids.extend(text.bytes().map(u32::from)),
                Piece::Control(id) => ids.push(*id),
            }
        }
        ids
    }
}
