//! [`probe`]: what fuzzing and its replay ask of the reader.

use super::{CallEvent, CallFormat, Reading};
use crate::decode::{Outline, Piece, ReasoningMarks, Sections};
use std::sync::Arc;

/// Texts of templates, one for each format.
const TEMPLATES: [&str; 7] = [
    "<tool_call>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[TOOL_CALLS] [ARGS]",
    "<|/tool_call|>",
    "<｜tool▁calls▁begin｜> ```json",
    "",
];

/// Reads bytes as an answer: the first says in which format, the second how long the pieces are in
/// which it arrives.
///
/// # Panics
/// When the answer reads otherwise in pieces than it does as a whole: for tests.
#[expect(clippy::panic, reason = "a broken promise is a finding of the fuzzer")]
pub fn probe(bytes: &[u8]) {
    let [format, length, text @ ..] = bytes else {
        return;
    };
    let template = TEMPLATES.iter().cycle().nth(usize::from(*format));
    let format = CallFormat::of_template(template.unwrap_or(&""));
    let text = String::from_utf8_lossy(text);
    let characters: Vec<char> = text.chars().collect();
    let pieces = characters.chunks(usize::from(*length).max(1));
    let cut = read(format, pieces.map(|piece| piece.iter().collect()));
    let whole = read(format, std::iter::once(text.into_owned()));
    if cut != whole {
        panic!("in pieces {cut:?}, as a whole {whole:?}");
    }
}

/// Text, reasoning and calls, each in one string.
fn read(format: CallFormat, pieces: impl Iterator<Item = String>) -> [String; 3] {
    let mut sections = Sections::new(Outline {
        reasoning: Some(ReasoningMarks {
            open: "<think>".to_owned(),
            close: "</think>".to_owned(),
            is_open: false,
        }),
        calls: Some(Arc::new(Reading {
            format,
            names: Arc::from(["f".to_owned()]),
            is_single: false,
        })),
    });
    let (mut found, mut turns) = (Vec::new(), Vec::new());
    for piece in pieces {
        sections.push(&piece, &mut found, &mut turns);
    }
    sections.finish(&mut found);
    let [mut text, mut reasoning, mut calls] = [const { String::new() }; 3];
    for piece in found {
        match piece {
            Piece::Text(more) => text.push_str(&more),
            Piece::Reasoning(more) => reasoning.push_str(&more),
            Piece::Call(CallEvent::Begin { name }) => calls.extend(["\n", &name, " "]),
            Piece::Call(CallEvent::Arguments(json)) => calls.push_str(&json),
            Piece::Call(CallEvent::End) => calls.push('.'),
        }
    }
    [text, reasoning, calls]
}
