//! The tokens of a GGUF file: text, score and attributes of each.

use super::error::TokenizerError;
use super::hash::QuickMap;
use crate::weights::{Metadata, MetadataArray, MetadataValue};

/// What a token is, one bit each; a token may be several.
pub(super) mod attribute {
    /// Ordinary text.
    pub(in super::super) const NORMAL: u16 = 1;
    /// Stands for what the vocabulary lacks.
    pub(in super::super) const UNKNOWN: u16 = 2;
    /// Means something to the model, nothing to a reader.
    pub(in super::super) const CONTROL: u16 = 4;
    /// Added text, taken out of any text as it stands.
    pub(in super::super) const USER_DEFINED: u16 = 8;
    /// Never produced.
    pub(in super::super) const UNUSED: u16 = 16;
    /// One byte.
    pub(in super::super) const BYTE: u16 = 32;
    /// Takes the white space before it.
    pub(in super::super) const STRIPS_LEFT: u16 = 64;
    /// Takes the white space behind it.
    pub(in super::super) const STRIPS_RIGHT: u16 = 128;
}

/// The tokens of a model.
#[derive(Debug)]
pub(super) struct Vocabulary {
    texts: Vec<Box<str>>,
    scores: Vec<f32>,
    attributes: Vec<u16>,
    ids: QuickMap<Box<[u8]>, u32>,
    /// Tokens of the bytes as SentencePiece names them, `<0x00>` to `<0xFF>`.
    byte_ids: Box<[Option<u32>; 256]>,
    longest: usize,
    /// The first token marked unknown.
    unknown: Option<u32>,
}

impl Vocabulary {
    /// Reads `tokenizer.ggml.tokens`, `.scores` and `.token_type`.
    pub(super) fn read(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let invalid = |text: String| TokenizerError::Invalid(text);
        let tokens = metadata
            .strings("tokenizer.ggml.tokens")
            .ok_or_else(|| invalid("the file has no list of tokens".to_owned()))?;
        if tokens.is_empty() {
            return Err(invalid("the list of tokens is empty".to_owned()));
        }
        if u32::try_from(tokens.len()).is_err() {
            return Err(invalid(format!("{} tokens are too many", tokens.len())));
        }
        let checked = |name: &str, length: usize| {
            if length < tokens.len() {
                let count = tokens.len();
                return Err(invalid(format!("{length} {name} for {count} tokens")));
            }
            Ok(())
        };
        let scores = read_scores(metadata)?;
        if let Some(scores) = &scores {
            checked("scores", scores.len())?;
        }
        let types = match metadata.get("tokenizer.ggml.token_type") {
            None => None,
            Some(MetadataValue::Array(MetadataArray::I32(types))) => Some(types.clone()),
            Some(_) => match metadata.integers("tokenizer.ggml.token_type") {
                Some(types) => Some(types.into_iter().map(|kind| kind as i32).collect()),
                None => return Err(invalid("the token types are not integers".to_owned())),
            },
        };
        if let Some(types) = &types {
            checked("token types", types.len())?;
        }

        let mut vocabulary = Self {
            texts: Vec::with_capacity(tokens.len()),
            // Adding zero turns a negative zero, which would sort below it, into a positive one.
            scores: scores.map_or_else(
                || vec![0.0; tokens.len()],
                |scores| scores.into_iter().map(|score| score + 0.0).collect(),
            ),
            attributes: Vec::with_capacity(tokens.len()),
            ids: QuickMap::default(),
            byte_ids: Box::new([None; 256]),
            longest: 0,
            unknown: None,
        };
        vocabulary.ids.reserve(tokens.len());
        for (id, token) in (0_u32..).zip(tokens) {
            let text = match token.as_str() {
                "" => format!("[EMPTY_{id}]"),
                text => text.to_owned(),
            };
            if let Some(first) = vocabulary.ids.insert(text.as_bytes().into(), id) {
                return Err(invalid(format!(
                    "token {text:?} has the ids {first} and {id}"
                )));
            }
            vocabulary.longest = vocabulary.longest.max(text.len());
            vocabulary.texts.push(text.into_boxed_str());
            let kind = types.as_ref().map_or(1, |types| types[id as usize]);
            vocabulary.attributes.push(match kind {
                1 => attribute::NORMAL,
                2 => attribute::UNKNOWN,
                3 => attribute::CONTROL,
                4 => attribute::USER_DEFINED,
                5 => attribute::UNUSED,
                6 => attribute::BYTE,
                _ => 0,
            });
        }
        vocabulary.unknown =
            (0..tokens.len() as u32).find(|&id| vocabulary.has(id, attribute::UNKNOWN));
        for byte in 0..=u8::MAX {
            vocabulary.byte_ids[usize::from(byte)] = vocabulary
                .id_of_bytes(format!("<0x{byte:02X}>").as_bytes())
                .or_else(|| vocabulary.id_of_bytes(&[byte]));
        }
        Ok(vocabulary)
    }

    /// Tokens in the vocabulary.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The length in bytes of the longest token.
    pub(super) fn longest_token(&self) -> usize {
        self.longest
    }

    /// A token's text as the file writes it; empty out of range.
    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |text| text)
    }

    /// All tokens in order.
    pub(super) fn texts(&self) -> impl Iterator<Item = (u32, &str)> {
        (0_u32..).zip(self.texts.iter().map(|text| &**text))
    }

    /// A token's score, mostly a log probability.
    pub(super) fn score(&self, id: u32) -> f32 {
        self.scores.get(id as usize).copied().unwrap_or(0.0)
    }

    /// A token's attributes, see [`attribute`].
    pub(super) fn attributes(&self, id: u32) -> u16 {
        self.attributes.get(id as usize).copied().unwrap_or(0)
    }

    /// Whether a token has one of the attributes.
    pub(super) fn has(&self, id: u32, mask: u16) -> bool {
        self.attributes(id) & mask != 0
    }

    /// Sets a token's attributes.
    pub(super) fn set_attributes(&mut self, id: u32, attributes: u16) {
        if let Some(current) = self.attributes.get_mut(id as usize) {
            *current = attributes;
        }
    }

    /// The id of a token's text.
    pub(super) fn id_of_bytes(&self, text: &[u8]) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The id of a token's text.
    pub(super) fn id_of(&self, text: &str) -> Option<u32> {
        self.id_of_bytes(text.as_bytes())
    }

    /// Appends the tokens of bytes, by SentencePiece's names or by their own text; where one has
    /// none, the unknown token for all of them.
    pub(super) fn append_bytes(&self, bytes: &[u8], ids: &mut Vec<u32>) {
        let start = ids.len();
        for &byte in bytes {
            match self.byte_ids[usize::from(byte)] {
                Some(id) => ids.push(id),
                None => {
                    ids.truncate(start);
                    ids.extend(self.unknown);
                    return;
                }
            }
        }
    }
}

fn read_scores(metadata: &Metadata) -> Result<Option<Vec<f32>>, TokenizerError> {
    match metadata.get("tokenizer.ggml.scores") {
        None => Ok(None),
        Some(MetadataValue::Array(MetadataArray::F32(scores))) => Ok(Some(scores.clone())),
        Some(MetadataValue::Array(MetadataArray::I32(scores))) => {
            Ok(Some(scores.iter().map(|&score| score as f32).collect()))
        }
        Some(_) => Err(TokenizerError::Invalid(
            "the token scores are not numbers".to_owned(),
        )),
    }
}

/// The byte that a byte token names, `<0x0A>`.
pub(super) fn named_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}
