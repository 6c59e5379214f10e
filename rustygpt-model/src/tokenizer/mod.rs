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
mod byte_pair;
mod byte_text;
mod character;
mod charsmap;
mod detokenizer;
mod error;
mod gguf;
mod hash;
mod hugging_face;
mod partition;
mod pre_tokenizer;
mod rwkv;
mod sentence_piece;
mod special;
mod token_bytes;
mod trie;
mod unigram;
mod vocabulary;
mod word_piece;

use std::borrow::Cow;
use std::path::Path;

use crate::weights::Metadata;

use byte_alphabet::ByteAlphabet;
pub use detokenizer::Detokenizer;
pub use error::TokenizerError;
use gguf::GgufTokenizer;
use hugging_face::HuggingFaceTokenizer;
pub use special::FillInMiddle;

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
    source: Source,
}

#[derive(Debug)]
enum Source {
    Bytes(Box<ByteAlphabet>),
    Gguf(Box<GgufTokenizer>),
    HuggingFace(Box<HuggingFaceTokenizer>),
}

impl Tokenizer {
    /// Reads the tokenizer of a GGUF file's metadata (`tokenizer.ggml.*`).
    ///
    /// # Errors
    /// [`TokenizerError`] when the file has none, or one that is unknown or broken.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let tokenizer = GgufTokenizer::read(metadata)?;
        Ok(Self {
            source: Source::Gguf(Box::new(tokenizer)),
        })
    }

    /// Reads `tokenizer.json` and, where present, `tokenizer_config.json` of a folder.
    ///
    /// # Errors
    /// [`TokenizerError`] when a file is absent, unreadable or broken.
    pub fn from_directory(directory: &Path) -> Result<Self, TokenizerError> {
        let tokenizer = HuggingFaceTokenizer::open(directory)?;
        Ok(Self {
            source: Source::HuggingFace(Box::new(tokenizer)),
        })
    }

    /// Reads the text of a `tokenizer.json` and of a `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] when one is broken.
    pub fn from_json(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self, TokenizerError> {
        let tokenizer = HuggingFaceTokenizer::read(tokenizer, config)?;
        Ok(Self {
            source: Source::HuggingFace(Box::new(tokenizer)),
        })
    }

    /// The tokenizer of the scripted model: ids 0 to 255 are the bytes, then `<|im_start|>` 256,
    /// `<|im_end|>` 257 (end of generation) and `<|endoftext|>` 258. No beginning-of-sequence.
    #[must_use]
    pub fn bytes() -> Self {
        Self {
            source: Source::Bytes(Box::new(ByteAlphabet::new())),
        }
    }

    /// The ids of plain text: no beginning or end of sequence, control tokens not parsed.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_pieces(&[Piece::Text(Cow::Borrowed(text))])
    }

    /// The ids of a text that is read whole, in the frame that its model was trained with:
    /// `[CLS] … [SEP]`, `<s> … </s>`, or what else the file says. Control tokens are not parsed.
    #[must_use]
    pub fn encode_framed(&self, text: &str) -> Vec<u32> {
        let plain = self.encode(text);
        let (before, after): (&[u32], &[u32]) = match &self.source {
            Source::Bytes(_) => (&[], &[]),
            Source::Gguf(tokenizer) => tokenizer.special().frame(),
            Source::HuggingFace(tokenizer) => tokenizer.frame(),
        };
        [before, &plain, after].concat()
    }

    /// Splits text where the names of control tokens (and of tokens that were added to the
    /// vocabulary) stand. Only for text whose author may place control tokens, such as a
    /// template's output.
    #[must_use]
    pub fn partition<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.partition(text),
            Source::Gguf(tokenizer) => tokenizer.partition(text),
            Source::HuggingFace(tokenizer) => tokenizer.partition(text),
        }
    }

    /// The ids of text with control tokens between it. Texts side by side are one text. White
    /// space around control tokens that take it is dropped, and SentencePiece's space prefix is
    /// added to the first text and behind control tokens, as llama.cpp does both.
    #[must_use]
    pub fn encode_pieces(&self, pieces: &[Piece<'_>]) -> Vec<u32> {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.encode(pieces),
            Source::Gguf(tokenizer) => tokenizer.encode(pieces),
            Source::HuggingFace(tokenizer) => tokenizer.encode(pieces),
        }
    }

    /// The bytes a token stands for; for a control token the bytes of its name. Empty for an id
    /// out of range.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.token_bytes(id),
            Source::Gguf(tokenizer) => Cow::Borrowed(tokenizer.token_bytes(id)),
            Source::HuggingFace(tokenizer) => Cow::Borrowed(tokenizer.token_bytes(id)),
        }
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
        match &self.source {
            Source::Bytes(alphabet) => alphabet.is_control(id),
            Source::Gguf(tokenizer) => tokenizer.is_control(id),
            Source::HuggingFace(tokenizer) => tokenizer.is_control(id),
        }
    }

    /// All control tokens with their names.
    pub fn control_tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        (0..self.vocabulary_size() as u32)
            .filter(|&id| self.is_control(id))
            .filter_map(|id| Some((self.name(id)?, id)))
    }

    /// The beginning-of-sequence token.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        match &self.source {
            Source::Bytes(_) => None,
            Source::Gguf(tokenizer) => tokenizer.special().bos,
            Source::HuggingFace(tokenizer) => tokenizer.bos(),
        }
    }

    /// The end-of-sequence token, which templates know by name. See [`Self::eos_ids`] for all
    /// tokens that end a generation.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.end_ids().first().copied(),
            Source::Gguf(tokenizer) => tokenizer.special().eos,
            Source::HuggingFace(tokenizer) => tokenizer.eos(),
        }
    }

    /// Whether a prompt starts with [`Self::bos`].
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        match &self.source {
            Source::Bytes(_) => false,
            Source::Gguf(tokenizer) => tokenizer.special().adds_bos,
            Source::HuggingFace(tokenizer) => tokenizer.adds_bos(),
        }
    }

    /// All tokens that end a generation, in ascending order.
    #[must_use]
    pub fn eos_ids(&self) -> &[u32] {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.end_ids(),
            Source::Gguf(tokenizer) => &tokenizer.special().end_of_generation,
            Source::HuggingFace(tokenizer) => tokenizer.end_ids(),
        }
    }

    /// The tokens of fill-in-the-middle, where the model has all three.
    #[must_use]
    pub fn fill_in_middle(&self) -> Option<FillInMiddle> {
        match &self.source {
            Source::Bytes(_) => None,
            Source::Gguf(tokenizer) => tokenizer.special().fill_in_middle,
            Source::HuggingFace(tokenizer) => tokenizer.fill_in_middle(),
        }
    }

    /// Tokens in the vocabulary; ids are below it.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.size(),
            Source::Gguf(tokenizer) => tokenizer.vocabulary().len(),
            Source::HuggingFace(tokenizer) => tokenizer.size(),
        }
    }

    /// The id of the token with exactly this text, as the vocabulary writes it.
    #[must_use]
    pub fn id_of(&self, text: &str) -> Option<u32> {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.id_of(text),
            Source::Gguf(tokenizer) => tokenizer.vocabulary().id_of(text),
            Source::HuggingFace(tokenizer) => tokenizer.id_of(text),
        }
    }

    /// The text of ids from the start of a text: control tokens left out, the space that encoding
    /// put in front taken away, invalid bytes as U+FFFD. For text that goes on behind a prompt use
    /// [`Detokenizer`].
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            if !self.is_control(id) {
                bytes.extend_from_slice(&self.token_bytes(id));
            }
        }
        let bytes = match bytes.strip_prefix(b" ") {
            Some(rest) if self.adds_space_prefix() => rest,
            _ => &bytes,
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Whether encoding puts a space before a text.
    fn adds_space_prefix(&self) -> bool {
        match &self.source {
            Source::Bytes(_) => false,
            Source::Gguf(tokenizer) => tokenizer.adds_space_prefix(),
            Source::HuggingFace(tokenizer) => tokenizer.adds_space_prefix(),
        }
    }

    fn name(&self, id: u32) -> Option<&str> {
        match &self.source {
            Source::Bytes(alphabet) => alphabet.name(id),
            Source::Gguf(tokenizer) => Some(tokenizer.vocabulary().text(id)),
            Source::HuggingFace(tokenizer) => tokenizer.name(id),
        }
    }
}
