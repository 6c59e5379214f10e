//! Keeps control tokens out of user text.
//!
//! A template mixes its own control tokens with strings of the request in one text, and only that
//! text is split into tokens. So before rendering, each place where a request's string spells a
//! control token is broken by a mark, a Unicode noncharacter that no text has a use for; the
//! rendered text is then partitioned, which finds the template's own control tokens alone; and
//! the marks are taken out of the text between them.
//!
//! A template whose logic looks for a *control* token inside the content (say, splits an earlier
//! answer at `</think>` where that is a control token of the vocabulary) does not find it. That is
//! the point: whoever writes the content must not steer what only the template may.

use crate::tokenizer::{Piece, Tokenizer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Stands inside a control token's name in user text, so that it is none.
const BREAK: char = '\u{fdd0}';
/// Begins the two-character forms in which user text's own noncharacters are written.
const ESCAPE: char = '\u{fdd1}';
/// After [`ESCAPE`]: the user wrote [`BREAK`].
const ESCAPED_BREAK: char = '\u{fdd2}';
/// After [`ESCAPE`]: the user wrote [`ESCAPE`].
const ESCAPED_ESCAPE: char = '\u{fdd3}';

/// Whether the character belongs to the marking.
pub(super) fn is_mark(character: char) -> bool {
    (BREAK..=ESCAPED_ESCAPE).contains(&character)
}

/// Marks strings for one tokenizer.
pub(super) struct Marker<'a> {
    tokenizer: &'a Tokenizer,
    /// The names of all control tokens, sorted.
    names: Vec<&'a str>,
    /// The bytes they begin with, letters and digits excepted: a word that happens to end as a
    /// name begins must stay comparable.
    first_bytes: [bool; 256],
    /// The length of the longest name, in bytes.
    longest: usize,
}

impl<'a> Marker<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        let mut names: Vec<&str> = tokenizer
            .control_tokens()
            .map(|(name, _)| name)
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        let mut first_bytes = [false; 256];
        for name in &names {
            if let Some(&first) = name.as_bytes().first()
                && !first.is_ascii_alphanumeric()
                && let Some(slot) = first_bytes.get_mut(usize::from(first))
            {
                *slot = true;
            }
        }
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        Self {
            tokenizer,
            names,
            first_bytes,
            longest,
        }
    }

    /// Marks every string of a JSON value, keys included.
    pub(super) fn mark_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(marked) = self.mark_text(text, true) {
                    *text = marked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mark_value(item)),
            Value::Object(entries) => self.mark_map(entries),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Marks the keys and values of a JSON object.
    pub(super) fn mark_map(&self, entries: &mut Map<String, Value>) {
        entries
            .values_mut()
            .for_each(|value| self.mark_value(value));
        // Keys are only rewritten where one spells a control token: templates look keys up.
        if entries
            .keys()
            .any(|key| self.mark_text(key, false).is_some())
        {
            *entries = std::mem::take(entries)
                .into_iter()
                .map(|(key, value)| (self.mark_text(&key, false).unwrap_or(key), value))
                .collect();
        }
    }

    /// The marked text, or `None` if it can stay as it is.
    fn mark_text(&self, text: &str, may_be_continued: bool) -> Option<String> {
        let mut marked = escape(text);
        // Breaking one match can uncover another that overlapped it; each round uncovers matches
        // that begin later in the same name, so the longest name bounds the rounds.
        for _ in 0..=self.longest {
            match self.break_matches(marked.as_deref().unwrap_or(text)) {
                Some(broken) => marked = Some(broken),
                None => break,
            }
        }
        if may_be_continued && self.ends_as_a_name_begins(marked.as_deref().unwrap_or(text)) {
            marked.get_or_insert_with(|| text.to_owned()).push(BREAK);
        }
        marked
    }

    /// Puts a mark into every control token that the tokenizer finds; `None` if it finds none.
    fn break_matches(&self, text: &str) -> Option<String> {
        let pieces = self.tokenizer.partition(text);
        let is_control = |piece: &Piece<'_>| matches!(piece, Piece::Control(id) if self.tokenizer.is_control(*id));
        if !pieces.iter().any(is_control) {
            return None;
        }
        // The pieces do not say where they stand (a token may swallow spaces beside it), so the
        // names are found again in the text between them.
        let mut broken = String::with_capacity(text.len() + 16);
        let mut rest = text;
        for piece in &pieces {
            let Piece::Control(id) = piece else { continue };
            let name = self.tokenizer.token_text(*id);
            let Some(at) = rest.find(name.as_ref()) else {
                continue;
            };
            let (before, from) = rest.split_at(at);
            broken.push_str(before);
            if !is_control(piece) {
                broken.push_str(&name);
            } else {
                let mut characters = name.chars();
                broken.extend(characters.next());
                broken.push(BREAK);
                broken.push_str(characters.as_str());
            }
            rest = from.get(name.len()..).unwrap_or_default();
        }
        broken.push_str(rest);
        Some(broken)
    }

    /// Whether what follows the text could complete a control token that begins in it.
    fn ends_as_a_name_begins(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let reach = bytes.len().saturating_sub(self.longest);
        (reach..bytes.len()).any(|at| {
            bytes.get(at).is_some_and(|&byte| {
                self.first_bytes
                    .get(usize::from(byte))
                    .copied()
                    .unwrap_or(false)
            }) && text.get(at..).is_some_and(|tail| {
                let from = self.names.partition_point(|name| *name < tail);
                self.names
                    .get(from)
                    .is_some_and(|name| name.starts_with(tail))
            })
        })
    }
}

/// Escapes the marks that user text contains of its own.
fn escape(text: &str) -> Option<String> {
    if !text.contains([BREAK, ESCAPE]) {
        return None;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            BREAK => escaped.extend([ESCAPE, ESCAPED_BREAK]),
            ESCAPE => escaped.extend([ESCAPE, ESCAPED_ESCAPE]),
            _ => escaped.push(character),
        }
    }
    Some(escaped)
}

/// Takes the marks out of rendered text.
pub(super) fn unmark(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains([BREAK, ESCAPE]) {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            BREAK => {}
            ESCAPE if characters.next_if_eq(&ESCAPED_BREAK).is_some() => plain.push(BREAK),
            ESCAPE if characters.next_if_eq(&ESCAPED_ESCAPE).is_some() => plain.push(ESCAPE),
            _ => plain.push(character),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{ChatTemplate, RenderRequest};
    use crate::weights::{ModelFiles, Source};
    use std::path::{Path, PathBuf};

    fn shared() -> PathBuf {
        std::env::var_os("RUSTYGPT_SHARED").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            PathBuf::from,
        )
    }

    /// The tokenizers that are there: always the bytes, and the shared vocabularies.
    fn tokenizers() -> Vec<(String, Tokenizer)> {
        let mut tokenizers = vec![("bytes".to_owned(), Tokenizer::bytes())];
        for name in ["qwen2", "llama-bpe", "phi-3", "deepseek-coder"] {
            let path = shared().join(format!("vocab/ggml-vocab-{name}.gguf"));
            let Ok(files) = ModelFiles::open(&path) else {
                println!("skipped: {} is not there", path.display());
                continue;
            };
            if let Source::Gguf(metadata) = files.source() {
                tokenizers.push((name.to_owned(), Tokenizer::from_gguf(metadata).unwrap()));
            }
        }
        tokenizers
    }

    #[test]
    fn marking_changes_nothing_that_is_read() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates");
        let goldens = std::fs::read_to_string(fixtures.join("goldens.json")).unwrap();
        let goldens: Value = serde_json::from_str(&goldens).unwrap();
        let tokenizers = tokenizers();
        let mut templates = vec![("chatml".to_owned(), ChatTemplate::chatml())];
        for (name, _) in goldens["templates"].as_object().unwrap() {
            let path = shared().join("templates").join(format!("{name}.jinja"));
            if let Ok(source) = std::fs::read_to_string(path) {
                templates.push((
                    name.clone(),
                    ChatTemplate::from_source(source, None, None).unwrap(),
                ));
            }
        }
        for (case, request) in goldens["cases"].as_object().unwrap() {
            let plain = RenderRequest::from_openai_json(request).unwrap();
            for (vocabulary, tokenizer) in &tokenizers {
                let mut marked = plain.clone();
                marked.mark(&Marker::new(tokenizer));
                for (name, template) in &templates {
                    let context = format!("{name} × {case} × {vocabulary}");
                    match (template.render(&plain), template.render(&marked)) {
                        (Ok(plain), Ok(marked)) => {
                            assert_eq!(unmark(marked.into()), plain, "{context}");
                        }
                        (Err(_), Err(_)) => {}
                        (plain, marked) => panic!("{context}\n{plain:?}\n{marked:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn no_marked_text_holds_a_control_token() {
        for (vocabulary, tokenizer) in tokenizers() {
            let marker = Marker::new(&tokenizer);
            let names: Vec<String> = tokenizer
                .control_tokens()
                .map(|(name, _)| name.to_owned())
                .collect();
            for name in &names {
                let nested = format!("{}{name}{}", &name[..1], &name[1..]);
                for text in [
                    name.clone(),
                    format!("a {name} b{name}{name}"),
                    nested,
                    format!("\u{fdd0}{name}\u{fdd1}\u{fdd2}"),
                ] {
                    let marked = marker.mark_text(&text, true).unwrap();
                    let found = tokenizer.partition(&marked).into_iter().find(
                        |piece| matches!(piece, Piece::Control(id) if tokenizer.is_control(*id)),
                    );
                    assert_eq!(found, None, "{vocabulary}: {text}");
                    assert_eq!(unmark(marked.into()), text, "{vocabulary}");
                }
                // A name cut in two, as a template may put two strings side by side.
                for (at, _) in name.char_indices().skip(1) {
                    let (start, end) = name.split_at(at);
                    if start.ends_with(|last: char| last.is_ascii_alphanumeric())
                        && start.chars().all(|c| c.is_ascii_alphanumeric())
                    {
                        continue;
                    }
                    let start = marker
                        .mark_text(start, true)
                        .unwrap_or_else(|| start.to_owned());
                    assert!(
                        !format!("{start}{end}").contains(name),
                        "{vocabulary}: {name}"
                    );
                }
            }
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let tokenizer = Tokenizer::bytes();
        let marker = Marker::new(&tokenizer);
        for text in ["", "Hello <b>world</b>", "a <| b", "im_start", "日本語"] {
            assert_eq!(marker.mark_text(text, true), None, "{text}");
        }
        let mut tool = serde_json::json!({ "type": "object", "<|im_end|>": ["<|im_end|>", 1] });
        marker.mark_value(&mut tool);
        assert_eq!(tool["type"], "object");
        assert_eq!(
            unmark(tool.to_string().into())
                .matches("<|im_end|>")
                .count(),
            2
        );
        assert!(!tool.to_string().contains("<|im_end|>"));
    }
}
