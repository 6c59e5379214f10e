//! Text to token ids and back.
//!
//! A [`Tokenizer`] comes from GGUF metadata ([`Tokenizer::from_gguf`]), from a Hugging Face folder
//! ([`Tokenizer::from_directory`]) or is the plain byte alphabet of the scripted model
//! ([`Tokenizer::bytes`]). [`Tokenizer::encode`] never parses control tokens out of its text: only
//! [`Tokenizer::partition`], which callers apply to template output alone, finds them.
//! [`Detokenizer`] turns ids back into text as they arrive, whole characters only.
//!
//! Invariant: nothing here panics or fails on any text or any id, and every cost is close to linear
//! in the text.

mod byte_alphabet;
mod detokenizer;
mod error;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use crate::weights::Metadata;

use byte_alphabet::ByteAlphabet;
pub use detokenizer::Detokenizer;
pub use error::TokenizerError;

/// A stretch of template output: ordinary text, or a control token where the template put one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Ordinary text.
    Text(Cow<'a, str>),
    /// The id of a control token.
    Control(u32),
}

/// Text to token ids and back, for one model's vocabulary. Cheap to share behind an
/// [`std::sync::Arc`].
#[derive(Debug)]
pub struct Tokenizer {
    alphabet: ByteAlphabet,
    ids: HashMap<String, u32>,
    eos_ids: Vec<u32>,
}

impl Tokenizer {
    /// Reads the tokenizer of a GGUF file's metadata (`tokenizer.ggml.*`).
    ///
    /// # Errors
    /// [`TokenizerError`] when the file has none, or one that is unknown or broken.
    pub fn from_gguf(_metadata: &Metadata) -> Result<Self, TokenizerError> {
        Err(TokenizerError::Invalid("not read yet".to_owned()))
    }

    /// Reads `tokenizer.json` and, where present, `tokenizer_config.json` of a folder.
    ///
    /// # Errors
    /// [`TokenizerError`] when a file is absent, unreadable or broken.
    pub fn from_directory(_directory: &Path) -> Result<Self, TokenizerError> {
        Err(TokenizerError::Invalid("not read yet".to_owned()))
    }

    /// The tokenizer of the scripted model: ids 0 to 255 are the bytes, then `<|im_start|>` 256,
    /// `<|im_end|>` 257 (end of generation) and `<|endoftext|>` 258. No beginning-of-sequence.
    #[must_use]
    pub fn bytes() -> Self {
        let alphabet = ByteAlphabet::new();
        let ids = alphabet
            .controls()
            .map(|(text, id)| (text.to_owned(), id))
            .collect();
        Self {
            alphabet,
            ids,
            eos_ids: vec![257],
        }
    }

    /// The ids of plain text: no beginning or end of sequence, control tokens not parsed.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        text.bytes().map(u32::from).collect()
    }

    /// Splits text where the names of control tokens stand. Only for text whose author may place
    /// control tokens, such as a template's output.
    #[must_use]
    pub fn partition<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        self.alphabet.partition(text)
    }

    /// The ids of text with control tokens between it.
    #[must_use]
    pub fn encode_pieces(&self, pieces: &[Piece<'_>]) -> Vec<u32> {
        let mut ids = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => ids.extend(self.encode(text)),
                Piece::Control(id) => ids.push(*id),
            }
        }
        ids
    }

    /// The bytes a token stands for; for a control token the bytes of its name. Empty for an id
    /// out of range.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        self.alphabet.token_bytes(id)
    }

    /// The text of a token; bytes that are no whole character become U+FFFD.
    #[must_use]
    pub fn token_text(&self, id: u32) -> Cow<'_, str> {
        match self.token_bytes(id) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Whether the token is a control token: it means something to the model, nothing to a reader.
    #[must_use]
    pub fn is_control(&self, id: u32) -> bool {
        (256..=258).contains(&id)
    }

    /// All control tokens with their names.
    pub fn control_tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        self.alphabet.controls()
    }

    /// The beginning-of-sequence token.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        None
    }

    /// Whether a prompt starts with [`Self::bos`].
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        false
    }

    /// All tokens that end a generation.
    #[must_use]
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_ids
    }

    /// Tokens in the vocabulary; ids are below it.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        259
    }

    /// The id of the token with exactly this text.
    #[must_use]
    pub fn id_of(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The text of ids, control tokens left out, invalid bytes as U+FFFD.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            if !self.is_control(id) {
                bytes.extend_from_slice(&self.token_bytes(id));
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
