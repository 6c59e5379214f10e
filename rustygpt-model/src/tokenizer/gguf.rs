//! The tokenizer of a GGUF file.
//!
//! Behaviour follows llama.cpp 0.7.0, so that the same file gives the same ids.

use std::borrow::Cow;

use super::Piece;
use super::byte_pair::BytePairs;
use super::byte_text;
use super::character::{categories, category};
use super::charsmap::CharacterMap;
use super::error::TokenizerError;
use super::partition::{Name, Names, is_space};
use super::pre_tokenizer::{self, Recipe};
use super::rwkv::Rwkv;
use super::sentence_piece::SentencePiece;
use super::special::{Defaults, Special};
use super::token_bytes::TokenBytes;
use super::unigram::{Normalization, Unigram};
use super::vocabulary::{Vocabulary, attribute, named_byte};
use super::word_piece::WordPiece;
use crate::weights::{Metadata, MetadataArray, MetadataValue};

const ESCAPED_SPACE: &str = "▁";
const KNOWN_MODELS: &str = "llama, gpt2, bert, t5, rwkv, whitespace, gemma4";

/// How text becomes ids.
#[derive(Debug)]
enum Algorithm {
    SentencePiece(SentencePiece),
    BytePair(BytePairs),
    /// Byte pairs over words parted by white space, in small letters if so set.
    SpacedBytePair {
        pairs: BytePairs,
        lowercases: bool,
    },
    WordPiece(WordPiece),
    Unigram(Unigram),
    Rwkv(Rwkv),
}

/// The tokenizer of a GGUF file.
#[derive(Debug)]
pub(super) struct GgufTokenizer {
    vocabulary: Vocabulary,
    special: Special,
    algorithm: Algorithm,
    /// Added tokens, taken out of any text.
    added: Names,
    /// Added and control tokens, taken out of template output.
    named: Names,
    bytes: TokenBytes,
    adds_space_prefix: bool,
    escapes_spaces: bool,
}

/// What the file's `tokenizer.ggml.model` implies.
struct Plan {
    model: String,
    recipe: Option<Recipe>,
    defaults: Defaults,
    adds_space_prefix: bool,
}

impl Plan {
    fn read(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let model = metadata.string("tokenizer.ggml.model").ok_or_else(|| {
            TokenizerError::Invalid("the file names no tokenizer model".to_owned())
        })?;
        let pre = metadata.string("tokenizer.ggml.pre").unwrap_or_default();
        let none = Defaults::default();
        let (recipe, defaults, adds_space_prefix) = match model {
            "llama" => {
                let defaults = Defaults {
                    bos: Some(1),
                    eos: Some(2),
                    unknown: Some(0),
                    adds_bos: true,
                };
                (None, defaults, true)
            }
            "gpt2" | "whitespace" => {
                let recipe = pre_tokenizer::named(pre)?;
                let bos = (!recipe.no_default_bos).then_some(11);
                let adds_bos = recipe.adds_bos;
                (
                    Some(recipe),
                    Defaults {
                        bos,
                        eos: Some(11),
                        adds_bos,
                        ..none
                    },
                    false,
                )
            }
            "gemma4" => {
                let recipe = pre_tokenizer::named("gemma4")?;
                (
                    Some(recipe),
                    Defaults {
                        adds_bos: true,
                        ..none
                    },
                    false,
                )
            }
            "bert" => {
                let defaults = Defaults {
                    bos: Some(101),
                    unknown: Some(100),
                    adds_bos: true,
                    ..none
                };
                (None, defaults, false)
            }
            "t5" => (
                None,
                Defaults {
                    eos: Some(1),
                    unknown: Some(2),
                    ..none
                },
                false,
            ),
            "rwkv" => (None, none, false),
            other => {
                return Err(TokenizerError::Unknown {
                    part: "tokenizer model",
                    name: other.to_owned(),
                    known: KNOWN_MODELS.to_owned(),
                });
            }
        };
        Ok(Self {
            model: model.to_owned(),
            recipe,
            defaults,
            adds_space_prefix,
        })
    }
}

impl GgufTokenizer {
    /// Reads `tokenizer.ggml.*`.
    pub(super) fn read(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let plan = Plan::read(metadata)?;
        let mut vocabulary = Vocabulary::read(metadata)?;
        let flag = |key: &str| metadata.boolean(&format!("tokenizer.ggml.{key}"));
        let mut special = Special::read(metadata, &mut vocabulary, plan.defaults);
        if plan
            .recipe
            .is_some_and(|recipe| recipe.line_break_tokens && recipe.adds_bos)
        {
            // Gemma 4 always starts with it, whatever the file says.
            special.adds_bos = special.bos.is_some();
        }
        let adds_space_prefix = flag("add_space_prefix").unwrap_or(plan.adds_space_prefix);
        let lowercases = flag("normalizer.lowercase");
        let algorithm = match (plan.model.as_str(), plan.recipe) {
            ("llama", _) => Algorithm::SentencePiece(SentencePiece::new(&vocabulary)),
            ("bert", _) => {
                let lowercases = lowercases.unwrap_or(true);
                let accents = flag("normalizer.strip_accents").unwrap_or(lowercases);
                Algorithm::WordPiece(WordPiece::new(&vocabulary, lowercases, accents))
            }
            ("t5", _) => {
                let normalization = Normalization {
                    adds_prefix: adds_space_prefix,
                    removes_extra: flag("remove_extra_whitespaces").unwrap_or(false),
                    composes: flag("normalizer.nfc").unwrap_or(false),
                };
                let map = character_map(metadata)?;
                Algorithm::Unigram(Unigram::new(&vocabulary, map, normalization))
            }
            (model, Some(recipe)) => {
                let merges = match metadata.strings("tokenizer.ggml.merges") {
                    Some(merges) => merges,
                    None if recipe.needs_no_merges() => &[],
                    None => {
                        let text = "the file has no list of merges";
                        return Err(TokenizerError::Invalid(text.to_owned()));
                    }
                };
                let pairs = BytePairs::new(recipe, &vocabulary, merges);
                if model == "whitespace" {
                    let lowercases = lowercases.unwrap_or(false);
                    Algorithm::SpacedBytePair { pairs, lowercases }
                } else {
                    Algorithm::BytePair(pairs)
                }
            }
            _ => Algorithm::Rwkv(Rwkv::new(&vocabulary)),
        };
        set_strips(metadata, &mut vocabulary);

        let escapes_spaces = plan.recipe.is_none_or(|recipe| recipe.escapes_spaces);
        let mut tokenizer = Self {
            added: names(&vocabulary, |attributes| {
                attributes & attribute::USER_DEFINED != 0
                    && attributes & (attribute::CONTROL | attribute::UNKNOWN) == 0
            }),
            named: names(&vocabulary, |attributes| {
                let kinds = attribute::CONTROL | attribute::USER_DEFINED | attribute::UNKNOWN;
                attributes & kinds != 0
            }),
            vocabulary,
            special,
            algorithm,
            bytes: TokenBytes::default(),
            adds_space_prefix,
            escapes_spaces,
        };
        for id in 0..tokenizer.vocabulary.len() as u32 {
            let bytes = tokenizer.read_bytes(id).into_owned();
            tokenizer.bytes.push(&bytes);
        }
        Ok(tokenizer)
    }

    /// Tokens by role.
    pub(super) fn special(&self) -> &Special {
        &self.special
    }

    /// The tokens.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Whether encoding puts a space before a text.
    pub(super) fn adds_space_prefix(&self) -> bool {
        self.adds_space_prefix
    }

    /// Whether a token means something to the model and nothing to a reader.
    pub(super) fn is_control(&self, id: u32) -> bool {
        self.vocabulary
            .has(id, attribute::CONTROL | attribute::UNKNOWN)
    }

    /// The bytes of a token; of a control token its name.
    pub(super) fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id)
    }

    fn read_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        let text = self.vocabulary.text(id);
        let raw = Cow::Borrowed(text.as_bytes());
        let as_is = attribute::UNKNOWN | attribute::CONTROL | attribute::USER_DEFINED;
        if let Algorithm::Rwkv(_) = self.algorithm {
            Cow::Owned(super::rwkv::unescape(text))
        } else if self.vocabulary.has(id, as_is) {
            raw
        } else if self.vocabulary.has(id, attribute::NORMAL) {
            if self.escapes_spaces {
                Cow::Owned(text.replace(ESCAPED_SPACE, " ").into_bytes())
            } else {
                Cow::Owned(byte_text::to_bytes(text))
            }
        } else if self.vocabulary.has(id, attribute::BYTE) {
            named_byte(text).map_or(raw, |byte| Cow::Owned(vec![byte]))
        } else {
            Cow::Borrowed(&[])
        }
    }

    /// Splits text at the names of control and added tokens.
    pub(super) fn partition<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        self.named.partition(text)
    }

    /// The ids of texts and control tokens in order.
    pub(super) fn encode(&self, pieces: &[Piece<'_>]) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut after_special = true;
        let mut index = 0;
        while let Some(piece) = pieces.get(index) {
            if let Piece::Control(id) = piece {
                ids.push(*id);
                after_special = true;
                index += 1;
                continue;
            }
            let end = (index..pieces.len())
                .find(|&at| matches!(pieces[at], Piece::Control(_)))
                .unwrap_or(pieces.len());
            let joined = join(&pieces[index..end]);
            let mut text = &*joined;
            let strips = |at: Option<usize>, mask: u16| {
                matches!(at.and_then(|at| pieces.get(at)),
                    Some(Piece::Control(id)) if self.vocabulary.has(*id, mask))
            };
            if strips(index.checked_sub(1), attribute::STRIPS_RIGHT) {
                text = text.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
            }
            if strips(Some(end), attribute::STRIPS_LEFT) {
                text = text.trim_end_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
            }
            for part in self.added.partition(text) {
                match part {
                    Piece::Text(text) => {
                        self.encode_text(&text, after_special, &mut ids);
                        after_special = false;
                    }
                    Piece::Control(id) => {
                        ids.push(id);
                        after_special = true;
                    }
                }
            }
            index = end;
        }
        ids
    }

    fn encode_text(&self, text: &str, after_special: bool, ids: &mut Vec<u32>) {
        match &self.algorithm {
            Algorithm::SentencePiece(pieces) => {
                let mut escaped = String::with_capacity(text.len() + text.len() / 2);
                if self.adds_space_prefix && after_special {
                    escaped.push_str(ESCAPED_SPACE);
                }
                escape_spaces(text, &mut escaped);
                pieces.encode(&self.vocabulary, &escaped, ids);
            }
            Algorithm::BytePair(pairs) if self.escapes_spaces => {
                let mut escaped = String::with_capacity(text.len() + text.len() / 2);
                escape_spaces(text, &mut escaped);
                pairs.encode(&escaped, ids);
            }
            Algorithm::BytePair(pairs) => pairs.encode(text, ids),
            Algorithm::SpacedBytePair { pairs, lowercases } => {
                let is_space = |c: char| categories(u32::from(c)) & category::SPACE != 0;
                for word in text.split(is_space).filter(|word| !word.is_empty()) {
                    if *lowercases {
                        let lower = word.chars().map(super::word_piece::lowercase);
                        pairs.encode(&lower.collect::<String>(), ids);
                    } else {
                        pairs.encode(word, ids);
                    }
                }
            }
            Algorithm::WordPiece(pieces) => pieces.encode(text, self.special.unknown, ids),
            Algorithm::Unigram(unigram) => {
                unigram.encode(&self.vocabulary, text, self.special.unknown, ids);
            }
            Algorithm::Rwkv(rwkv) => rwkv.encode(text, self.special.unknown, ids),
        }
    }
}

fn escape_spaces(text: &str, out: &mut String) {
    let mut parts = text.split(' ');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(ESCAPED_SPACE);
        out.push_str(part);
    }
}

fn join<'a>(pieces: &'a [Piece<'_>]) -> Cow<'a, str> {
    match pieces {
        [Piece::Text(text)] => Cow::Borrowed(text),
        pieces => pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(text) => Some(&**text),
                Piece::Control(_) => None,
            })
            .collect(),
    }
}

fn names(vocabulary: &Vocabulary, wanted: impl Fn(u16) -> bool) -> Names {
    let names = vocabulary
        .texts()
        .filter(|&(id, _)| wanted(vocabulary.attributes(id)));
    let names = names.map(|(id, text)| Name {
        id,
        text: text.into(),
        strips_left: vocabulary.has(id, attribute::STRIPS_LEFT),
        strips_right: vocabulary.has(id, attribute::STRIPS_RIGHT),
    });
    Names::new(names.collect())
}

fn character_map(metadata: &Metadata) -> Result<Option<CharacterMap>, TokenizerError> {
    match metadata.get("tokenizer.ggml.precompiled_charsmap") {
        None => Ok(None),
        Some(MetadataValue::Array(MetadataArray::U8(bytes))) => CharacterMap::read(bytes).map(Some),
        Some(MetadataValue::Array(MetadataArray::I8(bytes))) => {
            let bytes: Vec<u8> = bytes.iter().map(|&byte| byte as u8).collect();
            CharacterMap::read(&bytes).map(Some)
        }
        Some(_) => Err(TokenizerError::Invalid(
            "the character map is not bytes".to_owned(),
        )),
    }
}

/// Which tokens take the white space around them. Files do not say, so known models do.
fn set_strips(metadata: &Metadata, vocabulary: &mut Vocabulary) {
    let pre = metadata.string("tokenizer.ggml.pre").unwrap_or_default();
    let architecture = metadata.string("general.architecture").unwrap_or_default();
    let name = metadata
        .string("general.name")
        .unwrap_or_default()
        .to_lowercase();
    let any = |text: &str, parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let strip = |vocabulary: &mut Vocabulary, text: &str, mask: u16, on: bool| {
        if let Some(id) = vocabulary.id_of(text) {
            let current = vocabulary.attributes(id);
            vocabulary.set_attributes(id, if on { current | mask } else { current & !mask });
        }
    };
    if any(pre, &["jina-v2-de", "jina-v2-es", "jina-v2-code"])
        || any(architecture, &["nomic-bert-moe", "jina-bert-v3"])
    {
        strip(vocabulary, "<mask>", attribute::STRIPS_LEFT, true);
    } else if any(&name, &["phi-3", "phi3"]) {
        let kinds = attribute::CONTROL | attribute::USER_DEFINED | attribute::UNKNOWN;
        for id in 0..vocabulary.len() as u32 {
            if vocabulary.has(id, kinds) {
                let attributes = vocabulary.attributes(id);
                vocabulary.set_attributes(id, attributes | attribute::STRIPS_RIGHT);
            }
        }
        strip(vocabulary, "</s>", attribute::STRIPS_RIGHT, true);
        for text in ["<unk>", "<s>", "<|endoftext|>"] {
            strip(vocabulary, text, attribute::STRIPS_RIGHT, false);
        }
    } else if name.contains("modern-bert") {
        strip(vocabulary, "[MASK]", attribute::STRIPS_LEFT, true);
    }
}
