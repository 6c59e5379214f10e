//! The tokenizer of a Hugging Face folder: `tokenizer.json` read by the `tokenizers` crate.
//!
//! That crate takes every added token out of any text, control tokens too. Here control tokens
//! (`"special": true`) are found by [`HuggingFaceTokenizer::partition`] alone; in plain text they
//! stay text. Added tokens that are not special are taken out of any text, as Hugging Face does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value;

use super::Piece;
use super::byte_text;
use super::error::TokenizerError;
use super::partition::{Name, Names};
use super::special::{self, FillInMiddle};
use super::token_bytes::TokenBytes;
use super::vocabulary::named_byte;

/// The tokenizer of a Hugging Face folder.
pub(super) struct HuggingFaceTokenizer {
    /// For the first text, and for all where it makes no difference.
    first: tokenizers::Tokenizer,
    /// For texts behind another, where only the first gets a space put in front.
    later: Option<tokenizers::Tokenizer>,
    named: Names,
    /// Control tokens by id, with whether they take the white space before and behind them.
    controls: HashMap<u32, Control>,
    bytes: TokenBytes,
    bos: Option<u32>,
    eos: Option<u32>,
    adds_bos: bool,
    end_ids: Vec<u32>,
    fill_in_middle: Option<FillInMiddle>,
    adds_space_prefix: bool,
    /// What stands before and behind a text that is read whole.
    frame: (Vec<u32>, Vec<u32>),
}

struct Control {
    name: String,
    strips_left: bool,
    strips_right: bool,
}

impl std::fmt::Debug for HuggingFaceTokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("HuggingFaceTokenizer")
            .field("size", &self.size())
            .finish()
    }
}

impl HuggingFaceTokenizer {
    /// Reads `tokenizer.json` and, where present, `tokenizer_config.json` of a folder.
    pub(super) fn open(directory: &Path) -> Result<Self, TokenizerError> {
        let path = directory.join("tokenizer.json");
        let tokenizer =
            std::fs::read(&path).map_err(|source| TokenizerError::Unreadable { path, source })?;
        let path = directory.join("tokenizer_config.json");
        let config = match std::fs::read(&path) {
            Ok(config) => Some(config),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(TokenizerError::Unreadable { path, source }),
        };
        Self::read(&tokenizer, config.as_deref())
    }

    /// Reads the text of both files.
    pub(super) fn read(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self, TokenizerError> {
        let invalid = |name: &str, error: &dyn std::fmt::Display| {
            TokenizerError::Invalid(format!("{name}: {error}"))
        };
        let mut json: Value =
            serde_json::from_slice(tokenizer).map_err(|error| invalid("tokenizer.json", &error))?;
        let config: Value = match config {
            Some(config) => serde_json::from_slice(config)
                .map_err(|error| invalid("tokenizer_config.json", &error))?,
            None => Value::Null,
        };
        let first = build(&json)?;
        let decoding = Decoding::read(&json);
        let adds_space_prefix = decoding.adds_space_prefix;
        let later = if set_scheme(&mut json["pre_tokenizer"]) {
            Some(build(&json)?)
        } else {
            None
        };

        let mut controls = HashMap::new();
        let mut added = HashMap::new();
        for (&id, token) in &first.get_added_tokens_decoder() {
            added.insert(id, token.content.clone());
            if token.special {
                let control = Control {
                    name: token.content.clone(),
                    strips_left: token.lstrip,
                    strips_right: token.rstrip,
                };
                controls.insert(id, control);
            }
        }
        let mut names: Vec<Name> = controls
            .iter()
            .map(|(&id, control)| Name {
                id,
                text: control.name.as_str().into(),
                strips_left: control.strips_left,
                strips_right: control.strips_right,
            })
            .collect();
        names.sort_by_key(|name| name.id);

        let size = first
            .get_vocab(true)
            .into_values()
            .map(|id| id as usize + 1)
            .max()
            .unwrap_or(0);
        // Ids beyond any real vocabulary would only make the table below huge.
        if size > 1 << 24 {
            return Err(TokenizerError::Invalid(format!(
                "token id {} is too large",
                size - 1
            )));
        }
        let mut bytes = TokenBytes::default();
        let mut decoded = Vec::new();
        for id in 0..size as u32 {
            match added.get(&id) {
                Some(text) => bytes.push(text.as_bytes()),
                None => {
                    decoded.clear();
                    decoding.append(&first.id_to_token(id).unwrap_or_default(), &mut decoded);
                    bytes.push(&decoded);
                }
            }
        }

        let named_token = |key: &str| {
            let value = &config[key];
            let text = value.as_str().or_else(|| value["content"].as_str())?;
            first.token_to_id(text)
        };
        let starts = encode(&first, "", true);
        let bos = named_token("bos_token").or_else(|| {
            starts
                .first()
                .copied()
                .filter(|id| controls.contains_key(id))
        });
        let eos = named_token("eos_token");
        let adds_bos = config["add_bos_token"]
            .as_bool()
            .unwrap_or_else(|| bos.is_some() && starts.first().copied() == bos);
        let ending = special::END_OF_GENERATION
            .iter()
            .filter_map(|name| first.token_to_id(name));
        let mut end_ids: Vec<u32> = ending
            .filter(|id| controls.contains_key(id))
            .chain(eos)
            .collect();
        end_ids.sort_unstable();
        end_ids.dedup();
        special::leave_out_by_name(&mut end_ids, |name| first.token_to_id(name));
        let fill_in_middle = special::fill_in_middle(|name| first.token_to_id(name));
        let frame = frame(&first);
        Ok(Self {
            first,
            later,
            named: Names::new(names),
            controls,
            bytes,
            bos,
            eos,
            adds_bos: adds_bos && bos.is_some(),
            end_ids,
            fill_in_middle,
            adds_space_prefix,
            frame,
        })
    }

    /// The beginning-of-sequence token.
    pub(super) fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-sequence token.
    pub(super) fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether a prompt starts with the beginning-of-sequence token.
    pub(super) fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// All tokens that end a generation.
    pub(super) fn end_ids(&self) -> &[u32] {
        &self.end_ids
    }

    /// The tokens of fill-in-the-middle.
    pub(super) fn fill_in_middle(&self) -> Option<FillInMiddle> {
        self.fill_in_middle
    }

    /// Ids are below this.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What stands before and behind a text that is read whole.
    pub(super) fn frame(&self) -> (&[u32], &[u32]) {
        (&self.frame.0, &self.frame.1)
    }

    /// Whether encoding puts a space before a text.
    pub(super) fn adds_space_prefix(&self) -> bool {
        self.adds_space_prefix
    }

    /// Whether the token is special.
    pub(super) fn is_control(&self, id: u32) -> bool {
        self.controls.contains_key(&id)
    }

    /// The name of a special token.
    pub(super) fn name(&self, id: u32) -> Option<&str> {
        self.controls.get(&id).map(|control| control.name.as_str())
    }

    /// The id of a token's text.
    pub(super) fn id_of(&self, text: &str) -> Option<u32> {
        self.first.token_to_id(text)
    }

    /// The bytes of a token; of a control token its name.
    pub(super) fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id)
    }

    /// Splits text at the names of special tokens.
    pub(super) fn partition<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        self.named.partition(text)
    }

    /// The ids of texts and control tokens in order.
    pub(super) fn encode(&self, pieces: &[Piece<'_>]) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut index = 0;
        while let Some(piece) = pieces.get(index) {
            if let Piece::Control(id) = piece {
                ids.push(*id);
                index += 1;
                continue;
            }
            let is_control = |piece: &Piece<'_>| matches!(piece, Piece::Control(_));
            let end = pieces[index..]
                .iter()
                .position(is_control)
                .map(|end| index + end);
            let end = end.unwrap_or(pieces.len());
            let joined: Cow<'_, str> = match &pieces[index..end] {
                [Piece::Text(text)] => Cow::Borrowed(text),
                texts => texts
                    .iter()
                    .filter_map(|piece| match piece {
                        Piece::Text(text) => Some(&**text),
                        Piece::Control(_) => None,
                    })
                    .collect(),
            };
            let control = |at: Option<usize>| match pieces.get(at?)? {
                Piece::Control(id) => self.controls.get(id),
                Piece::Text(_) => None,
            };
            let mut text = &*joined;
            if control(index.checked_sub(1)).is_some_and(|control| control.strips_right) {
                text = text.trim_start();
            }
            if control(Some(end)).is_some_and(|control| control.strips_left) {
                text = text.trim_end();
            }
            if !text.is_empty() {
                let tokenizer = if index == 0 {
                    None
                } else {
                    self.later.as_ref()
                };
                ids.extend(encode(tokenizer.unwrap_or(&self.first), text, false));
            }
            index = end;
        }
        ids
    }
}

/// What the post-processor puts before and behind a single text, seen on a text of one word.
fn frame(tokenizer: &tokenizers::Tokenizer) -> (Vec<u32>, Vec<u32>) {
    let (plain, framed) = (encode(tokenizer, "a", false), encode(tokenizer, "a", true));
    let place = framed
        .windows(plain.len().max(1))
        .position(|window| window == plain);
    match place {
        Some(place) => (
            framed[..place].to_vec(),
            framed[place + plain.len()..].to_vec(),
        ),
        None => (Vec::new(), Vec::new()),
    }
}

/// A file may be broken in ways that the crate answers with a panic.
fn build(json: &Value) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let invalid = |text: String| TokenizerError::Invalid(format!("tokenizer.json: {text}"));
    let build = || serde_json::from_value::<tokenizers::Tokenizer>(json.clone());
    let mut tokenizer = catch_unwind(AssertUnwindSafe(build))
        .map_err(|_| invalid("its parts contradict each other".to_owned()))?
        .map_err(|error| invalid(error.to_string()))?;
    tokenizer.with_padding(None);
    if tokenizer.with_truncation(None).is_err() {
        return Err(invalid("its truncation cannot be switched off".to_owned()));
    }
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

/// The ids of a text; none where the file is too broken to encode it.
fn encode(tokenizer: &tokenizers::Tokenizer, text: &str, specials: bool) -> Vec<u32> {
    let encode = || {
        tokenizer
            .encode_fast(text, specials)
            .map(|encoding| encoding.get_ids().to_vec())
    };
    match catch_unwind(AssertUnwindSafe(encode)) {
        Ok(Ok(ids)) => ids,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the tokenizer cannot encode a text");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("the tokenizer broke on a text");
            Vec::new()
        }
    }
}

/// Turns `"prepend_scheme": "first"` into `"never"`; whether there was one.
fn set_scheme(pre_tokenizer: &mut Value) -> bool {
    match pre_tokenizer["type"].as_str() {
        Some("Metaspace") if pre_tokenizer["prepend_scheme"] == "first" => {
            pre_tokenizer["prepend_scheme"] = "never".into();
            true
        }
        Some("Sequence") => {
            let mut any = false;
            for part in pre_tokenizer["pretokenizers"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                any |= set_scheme(part);
            }
            any
        }
        _ => false,
    }
}

/// How the text of a token is written in the vocabulary.
#[derive(Debug, Default)]
struct Decoding {
    /// GPT-2's alphabet of bytes.
    byte_level: bool,
    /// `<0x0A>` is a byte.
    byte_fallback: bool,
    /// What stands for a space.
    space: Option<String>,
    /// What marks the inside of a word; other tokens get a space in front.
    inside_word: Option<String>,
    /// Encoding puts a space before a text.
    adds_space_prefix: bool,
}

impl Decoding {
    fn read(json: &Value) -> Self {
        let mut decoding = Self::default();
        decoding.read_decoder(&json["decoder"]);
        decoding.read_prefix(&json["pre_tokenizer"]);
        decoding.read_prefix(&json["normalizer"]);
        decoding
    }

    fn read_decoder(&mut self, decoder: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match decoder["type"].as_str() {
            Some("ByteLevel") => self.byte_level = true,
            Some("ByteFallback") => self.byte_fallback = true,
            Some("Metaspace") => self.space = text(&decoder["replacement"]),
            Some("WordPiece") => self.inside_word = text(&decoder["prefix"]),
            Some("Replace") if decoder["content"] == " " => {
                self.space = text(&decoder["pattern"]["String"]);
            }
            Some("Sequence") => {
                for part in decoder["decoders"].as_array().into_iter().flatten() {
                    self.read_decoder(part);
                }
            }
            _ => {}
        }
    }

    fn read_prefix(&mut self, part: &Value) {
        match part["type"].as_str() {
            Some("Metaspace") => {
                self.adds_space_prefix |=
                    part["prepend_scheme"] != "never" && part["add_prefix_space"] != false;
            }
            Some("ByteLevel") => self.adds_space_prefix |= part["add_prefix_space"] == true,
            Some("Prepend") => self.adds_space_prefix = true,
            Some("Sequence") => {
                let parts = part["pretokenizers"]
                    .as_array()
                    .or(part["normalizers"].as_array());
                for part in parts.into_iter().flatten() {
                    self.read_prefix(part);
                }
            }
            _ => {}
        }
    }

    fn append(&self, token: &str, bytes: &mut Vec<u8>) {
        if self.byte_level {
            bytes.extend(byte_text::to_bytes(token));
        } else if let Some(byte) = named_byte(token).filter(|_| self.byte_fallback) {
            bytes.push(byte);
        } else if let Some(marker) = &self.inside_word {
            match token.strip_prefix(marker.as_str()) {
                Some(rest) => bytes.extend_from_slice(rest.as_bytes()),
                None => {
                    bytes.push(b' ');
                    bytes.extend_from_slice(token.as_bytes());
                }
            }
        } else if let Some(space) = self.space.as_ref().filter(|space| !space.is_empty()) {
            bytes.extend_from_slice(token.replace(space.as_str(), " ").as_bytes());
        } else {
            bytes.extend_from_slice(token.as_bytes());
        }
    }
}
