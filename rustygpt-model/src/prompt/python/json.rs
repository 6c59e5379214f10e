//! `json.dumps` as transformers' `tojson` calls it.

#![expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands filters their arguments by value"
)]

use super::generator::Generator;
use super::repr::{float, float_repr};
use crate::prompt::marks::is_mark;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// Containers nested deeper than this are refused.
const DEPTH_LIMIT: usize = 200;

/// How to write.
struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// The `tojson` filter: `tojson(x, ensure_ascii=False, indent=None, separators=None,
/// sort_keys=False)`; HTML characters stay as they are.
pub(super) fn tojson(
    value: &Value,
    positional: Rest<Value>,
    keywords: Kwargs,
) -> Result<String, Error> {
    let argument = |index: usize, name: &str| -> Result<Value, Error> {
        match positional.0.get(index) {
            Some(value) => Ok(value.clone()),
            None => Ok(keywords
                .get::<Option<Value>>(name)?
                .unwrap_or(Value::from(()))),
        }
    };
    let ensure_ascii = argument(0, "ensure_ascii")?.is_true();
    let indent = argument(1, "indent")?;
    let separators = argument(2, "separators")?;
    let sort_keys = argument(3, "sort_keys")?.is_true();
    keywords.assert_all_used()?;
    let indent = match indent.kind() {
        ValueKind::None | ValueKind::Undefined => None,
        ValueKind::String => indent.as_str().map(str::to_owned),
        _ => {
            let width = i64::try_from(indent)?.clamp(0, 64);
            Some(" ".repeat(width.try_into().unwrap_or_default()))
        }
    };
    let (item_separator, key_separator) = match separators.kind() {
        ValueKind::None | ValueKind::Undefined if indent.is_some() => (",".into(), ": ".into()),
        ValueKind::None | ValueKind::Undefined => (", ".into(), ": ".into()),
        _ => {
            let parts: Vec<Value> = separators.try_iter()?.collect();
            let [item, key] = parts.as_slice() else {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "separators must be a pair of strings",
                ));
            };
            (item.to_string(), key.to_string())
        }
    };
    let style = Style {
        ensure_ascii,
        indent,
        item_separator,
        key_separator,
        sort_keys,
    };
    let mut out = String::new();
    style.write(value, &mut out, 0)?;
    Ok(out)
}

impl Style {
    fn write(&self, value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_LIMIT {
            return Err(Error::new(
                ErrorKind::BadSerialization,
                "the value is nested too deeply",
            ));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.write_number(value, out)?,
            ValueKind::String => self.write_string(value.as_str().unwrap_or_default(), out)?,
            ValueKind::Map => self.write_map(value, out, depth)?,
            ValueKind::Seq | ValueKind::Iterable if !Generator::is(value) => {
                out.push('[');
                let mut empty = true;
                for item in value.try_iter()? {
                    self.separate(out, empty, depth + 1);
                    empty = false;
                    self.write(&item, out, depth + 1)?;
                }
                self.close(out, empty, depth);
                out.push(']');
            }
            kind => {
                return Err(Error::new(
                    ErrorKind::BadSerialization,
                    format!("Object of type {kind} is not JSON serializable"),
                ));
            }
        }
        Ok(())
    }

    fn write_map(&self, value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
        let mut keys: Vec<Value> = value.try_iter()?.collect();
        if self.sort_keys {
            keys.sort();
        }
        out.push('{');
        for (index, key) in keys.iter().enumerate() {
            self.separate(out, index == 0, depth + 1);
            match key.kind() {
                ValueKind::String => self.write_string(key.as_str().unwrap_or_default(), out)?,
                ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                    out.push('"');
                    self.write(key, out, depth + 1)?;
                    out.push('"');
                }
                kind => {
                    return Err(Error::new(
                        ErrorKind::BadSerialization,
                        format!("keys must be str, int, float, bool or None, not {kind}"),
                    ));
                }
            }
            out.push_str(&self.key_separator);
            self.write(&value.get_item(key)?, out, depth + 1)?;
        }
        self.close(out, keys.is_empty(), depth);
        out.push('}');
        Ok(())
    }

    fn separate(&self, out: &mut String, first: bool, depth: usize) {
        if !first {
            out.push_str(&self.item_separator);
        }
        self.break_line(out, depth);
    }

    fn close(&self, out: &mut String, empty: bool, depth: usize) {
        if !empty {
            self.break_line(out, depth);
        }
    }

    fn break_line(&self, out: &mut String, depth: usize) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    }

    fn write_number(&self, value: &Value, out: &mut String) -> Result<(), Error> {
        match float(value) {
            Some(number) if number.is_nan() => out.push_str("NaN"),
            Some(number) if number.is_infinite() => {
                out.push_str(if number > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                });
            }
            Some(number) => out.push_str(&float_repr(number)),
            None => write!(out, "{value}")?,
        }
        Ok(())
    }

    fn write_string(&self, text: &str, out: &mut String) -> Result<(), Error> {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(character))?,
                _ if self.ensure_ascii && character > '~' && !is_mark(character) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
                _ => out.push(character),
            }
        }
        out.push('"');
        Ok(())
    }
}
