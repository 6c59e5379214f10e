//! The grammar of calls in a format.

use super::{CallBody, CallFormat};
use crate::grammar::{Grammars, Schema};
use serde_json::Value;
use std::fmt::Write;

/// A function that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct CallableTool {
    /// Its name.
    pub name: String,
    /// What its arguments must match.
    pub arguments: Schema,
}

/// The Lark grammar of an answer that is one or more calls of these functions.
///
/// `is_begun` leaves out the mark that begins them: it was written already. `is_single` allows one
/// call only.
#[must_use]
pub fn calls_grammar(
    grammars: &Grammars,
    format: &CallFormat,
    tools: &[CallableTool],
    is_begun: bool,
    is_single: bool,
) -> String {
    let literal = |text: &str| grammars.literal(text);
    let mark = |mark: Option<&str>| mark.map(literal).unwrap_or_default();
    let (begin, end) = (mark(format.begin), mark(format.end));
    let last = |end: &str| match end {
        "" => String::new(),
        end => format!("S {end}"),
    };
    let more = |rule: &str| match is_single {
        true => String::new(),
        false => format!(" ({rule})*"),
    };
    let section = if format.is_list {
        format!(
            "\"[\" S call{} S \"]\" {}",
            more("S \",\" S call"),
            last(&end)
        )
    } else if let Some((before, behind)) = format.each {
        let one = format!("{} S call S {}", literal(before), literal(behind));
        format!("{one}{} {}", more(&format!("S {one}")), last(&end))
    } else if is_begun {
        format!("call {}", last(&end))
    } else if format.begin.is_some() && !format.is_bare {
        let again = format!("S {begin} S call {}", last(&end));
        format!("call {}{}", last(&end), more(&again))
    } else {
        format!("call{}", more("S \";\" S call"))
    };
    let opening = match is_begun || format.is_bare {
        true => "",
        false => &begin,
    };
    let opening = match is_begun || !format.is_bare {
        true => format!("{opening} S"),
        false => String::new(),
    };
    // Space is written out: between rules and documents, `%ignore` makes llguidance 1.9 panic.
    let mut text = format!("start: calls\ncalls: {opening} {section}\nS: /[ \\t\\r\\n]{{0,20}}/\n");
    let options: Vec<String> = (0..tools.len())
        .map(|index| format!("call_{index}"))
        .collect();
    // Writing into a string cannot fail.
    let _ = writeln!(text, "call: {}", options.join(" | "));
    for (index, tool) in tools.iter().enumerate() {
        let name = Value::from(tool.name.as_str()).to_string();
        let body = match format.body {
            CallBody::Object { arguments } => {
                let name = Value::from(name).to_string();
                let key = Value::from(Value::from(arguments).to_string()).to_string();
                format!(
                    r#""{{" S "\"name\"" S ":" S {name} S "," S {key} S ":" S arguments_{index} S "}}""#
                )
            }
            CallBody::Named {
                before,
                between,
                after,
            } => {
                // Marks of several tokens are written one after the other.
                let parts = [before, between, after].map(|part| marks(grammars, part));
                let [before, between, after] = parts;
                let after = last(&after);
                format!("{before} {name} S {between} S arguments_{index} {after}")
            }
        };
        let _ = writeln!(text, "call_{index}: {body}");
        let document = Grammars::document(&tool.arguments);
        let _ = writeln!(text, "arguments_{index}: {document}");
    }
    text
}

/// The Lark grammar of an answer that is either calls or a document that matches a schema.
#[must_use]
pub fn calls_or_document(
    grammars: &Grammars,
    format: &CallFormat,
    tools: &[CallableTool],
    is_single: bool,
    schema: &Schema,
) -> String {
    let calls = calls_grammar(grammars, format, tools, false, is_single);
    let either = calls.replacen("start: calls", "start: calls | document", 1);
    format!("{either}document: {}\n", Grammars::document(schema))
}

/// A fixed text in which a control token may stand.
fn marks(grammars: &Grammars, text: &str) -> String {
    match text.find("<｜").filter(|&at| at > 0) {
        Some(at) => {
            let (word, mark) = text.split_at(at);
            format!("{} {}", grammars.literal(word), grammars.literal(mark))
        }
        None if text.is_empty() => String::new(),
        None => grammars.literal(text),
    }
}
