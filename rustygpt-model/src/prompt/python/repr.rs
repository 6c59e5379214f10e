//! `str()` and `repr()` as Python writes them.

use super::generator::Generator;
use crate::prompt::marks::is_mark;
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// Containers nested deeper than this are refused; Python would raise a `RecursionError`.
const DEPTH_LIMIT: usize = 200;

/// `str(value)`; undefined is the empty string, as Jinja prints it.
pub(in crate::prompt) fn write_str(value: &Value, out: &mut dyn Write) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::String => out
            .write_str(value.as_str().unwrap_or_default())
            .map_err(Error::from),
        _ => write_repr(value, out, 0),
    }
}

/// `str(value)` as a string.
pub(super) fn str_of(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_str(value, &mut text)?;
    Ok(text)
}

/// `repr(value)`.
pub(super) fn write_repr(value: &Value, out: &mut dyn Write, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_LIMIT {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the value is nested too deeply",
        ));
    }
    match value.kind() {
        ValueKind::Undefined => out.write_str("Undefined")?,
        ValueKind::String => write_string(value.as_str().unwrap_or_default(), out)?,
        ValueKind::Number => match float(value) {
            Some(number) => out.write_str(&float_repr(number))?,
            None => write!(out, "{value}")?,
        },
        ValueKind::Map => {
            out.write_char('{')?;
            for (index, key) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.write_str(", ")?;
                }
                write_repr(&key, out, depth + 1)?;
                out.write_str(": ")?;
                write_repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.write_char('}')?;
        }
        ValueKind::Iterable if Generator::is(value) => write!(out, "{value}")?,
        ValueKind::Seq | ValueKind::Iterable => {
            let is_tuple = value.downcast_object_ref::<Tuple>().is_some();
            out.write_char(if is_tuple { '(' } else { '[' })?;
            let mut count = 0;
            for item in value.try_iter()? {
                if count > 0 {
                    out.write_str(", ")?;
                }
                write_repr(&item, out, depth + 1)?;
                count += 1;
            }
            if is_tuple && count == 1 {
                out.write_char(',')?;
            }
            out.write_char(if is_tuple { ')' } else { ']' })?;
        }
        ValueKind::Invalid => return Err(invalid(value)),
        _ => write!(out, "{value}")?,
    }
    Ok(())
}

/// The error that an invalid value carries.
fn invalid(value: &Value) -> Error {
    Error::new(ErrorKind::InvalidOperation, value.to_string())
}

/// The number, if it is a float.
pub(super) fn float(value: &Value) -> Option<f64> {
    (value.kind() == ValueKind::Number && !value.is_integer())
        .then(|| f64::try_from(value.clone()).ok())
        .flatten()
}

/// `repr` of a float: the shortest digits that read back the same, with an exponent below 1e-4
/// and from 1e16 on.
pub(super) fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = number.abs();
    if number != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let scientific = format!("{number:e}");
        return match scientific.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, power) = match exponent.strip_prefix('-') {
                    Some(power) => ('-', power),
                    None => ('+', exponent),
                };
                format!("{digits}e{sign}{power:0>2}")
            }
            None => scientific,
        };
    }
    let plain = number.to_string();
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}

/// `repr` of a string: single quotes unless only those occur in it, and escapes for what does not
/// print.
fn write_string(text: &str, out: &mut dyn Write) -> std::fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.write_char(quote)?;
    for character in text.chars() {
        match character {
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\\' => out.write_str("\\\\")?,
            _ if character == quote => write!(out, "\\{character}")?,
            _ if is_printable(character) => out.write_char(character)?,
            _ => {
                let code = u32::from(character);
                match code {
                    0..=0xff => write!(out, "\\x{code:02x}")?,
                    0x100..=0xffff => write!(out, "\\u{code:04x}")?,
                    _ => write!(out, "\\U{code:08x}")?,
                }
            }
        }
    }
    out.write_char(quote)
}

/// Python's `str.isprintable` of one character: not in the categories Other or Separator, the
/// space excepted. Unassigned code points are known only as far as Rust's own tables know them.
fn is_printable(character: char) -> bool {
    if (' '..='~').contains(&character) || is_mark(character) {
        return true;
    }
    // Rust's `Debug` escapes exactly the characters of those categories, and combining marks
    // (grapheme extenders) beside them.
    let mut escaped = character.escape_debug();
    let first = escaped.next();
    if first != Some('\\') {
        return true;
    }
    if matches!(character, '\'' | '"' | '\\') {
        return true;
    }
    // A combining mark prints in Python. `str::escape_debug` escapes it at a text's beginning only.
    let probe: String = ['a', character].iter().collect();
    probe.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        for (number, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(float_repr(number), text);
        }
    }

    #[test]
    fn strings_choose_their_quotes() {
        let shown = |text: &str| {
            let mut out = String::new();
            write_string(text, &mut out).unwrap();
            out
        };
        assert_eq!(shown("a"), "'a'");
        assert_eq!(shown("it's"), "\"it's\"");
        assert_eq!(shown("'\""), "'\\'\"'");
        assert_eq!(
            shown("\u{200b}é\u{301}\u{a0}\u{7}"),
            "'\\u200bé\u{301}\\xa0\\x07'"
        );
    }
}
