//! Methods of Python's `str`.

use super::repr::str_of;
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, Value};

/// Longest string that padding may make, in characters.
const PADDING_LIMIT: usize = 1 << 20;

/// What Python's `str.isspace` holds for: Unicode white space and four ASCII separators.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn fault(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `str.strip(chars)`.
pub(super) fn strip<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    strip_end(strip_start(text, characters), characters)
}

fn strip_start<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    match characters {
        Some(set) => text.trim_start_matches(|character| set.contains(character)),
        None => text.trim_start_matches(is_space),
    }
}

fn strip_end<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    match characters {
        Some(set) => text.trim_end_matches(|character| set.contains(character)),
        None => text.trim_end_matches(is_space),
    }
}

/// Calls a method of a string; `None` if there is none of that name here.
pub(super) fn call(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "strip" => optional_text(args).map(|set| strip(text, set).into()),
        "lstrip" => optional_text(args).map(|set| strip_start(text, set).into()),
        "rstrip" => optional_text(args).map(|set| strip_end(text, set).into()),
        "split" => separator_and_limit(args).and_then(|(by, limit)| split(text, by, limit)),
        "rsplit" => separator_and_limit(args).and_then(|(by, limit)| rsplit(text, by, limit)),
        "splitlines" => keeps_ends(args).map(|keep| split_lines(text, keep)),
        "startswith" => affix(text, args, |text, affix| text.starts_with(affix)),
        "endswith" => affix(text, args, |text, affix| text.ends_with(affix)),
        "find" => position(text, args, false).map(|found| found.map_or(-1, to_i64).into()),
        "rfind" => position(text, args, true).map(|found| found.map_or(-1, to_i64).into()),
        "index" | "rindex" => position(text, args, method == "rindex")
            .and_then(|found| found.ok_or_else(|| fault("substring not found")))
            .map(|found| to_i64(found).into()),
        "count" => count(text, args),
        "join" => join(text, args),
        "removeprefix" => {
            one_text(args).map(|prefix| text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            one_text(args).map(|suffix| text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "partition" => one_text(args).map(|by| match text.split_once(by) {
            Some((before, after)) => triple(before, by, after),
            None => triple(text, "", ""),
        }),
        "rpartition" => one_text(args).map(|by| match text.rsplit_once(by) {
            Some((before, after)) => triple(before, by, after),
            None => triple("", "", text),
        }),
        "zfill" => from_args::<(usize,)>(args).and_then(|(width,)| zero_fill(text, width)),
        "ljust" | "rjust" | "center" => pad(text, method, args),
        "swapcase" => Ok(text.chars().map(swap_case).collect::<String>().into()),
        "casefold" => Ok(text.to_lowercase().replace('ß', "ss").into()),
        "title" => Ok(title(text).into()),
        "capitalize" => Ok(capitalize(text).into()),
        "isspace" => Ok((!text.is_empty() && text.chars().all(is_space)).into()),
        "isdecimal" => Ok((!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into()),
        "isidentifier" => Ok(is_identifier(text).into()),
        _ => return None,
    })
}

fn to_i64(number: usize) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn triple(a: &str, b: &str, c: &str) -> Value {
    Value::from(Tuple::from(vec![a.into(), b.into(), c.into()]))
}

fn one_text(args: &[Value]) -> Result<&str, Error> {
    let (text,): (&str,) = from_args(args)?;
    Ok(text)
}

/// One optional string; `None` counts as absent.
fn optional_text(args: &[Value]) -> Result<Option<&str>, Error> {
    let (text,): (Option<&str>,) = from_args(args)?;
    Ok(text)
}

fn keeps_ends(args: &[Value]) -> Result<bool, Error> {
    let (positional, keywords): (Option<bool>, Kwargs) = from_args(args)?;
    let keyword: Option<bool> = keywords.get("keepends")?;
    keywords.assert_all_used()?;
    Ok(positional.or(keyword).unwrap_or(false))
}

/// The arguments `sep=None, maxsplit=-1`.
fn separator_and_limit(args: &[Value]) -> Result<(Option<String>, Option<usize>), Error> {
    let (separator, limit, keywords): (Option<&Value>, Option<i64>, Kwargs) = from_args(args)?;
    let keyword_separator: Option<Value> = keywords.get("sep")?;
    let keyword_limit: Option<i64> = keywords.get("maxsplit")?;
    keywords.assert_all_used()?;
    let separator = match separator.or(keyword_separator.as_ref()) {
        Some(value) if !value.is_none() => Some(
            value
                .as_str()
                .ok_or_else(|| fault("must be str or None"))?
                .to_owned(),
        ),
        _ => None,
    };
    if separator.as_deref() == Some("") {
        return Err(fault("empty separator"));
    }
    let limit = limit.or(keyword_limit).unwrap_or(-1);
    Ok((separator, usize::try_from(limit).ok()))
}

fn texts<'a>(parts: impl Iterator<Item = &'a str>) -> Value {
    parts.map(Value::from).collect::<Vec<Value>>().into()
}

fn split(text: &str, by: Option<String>, limit: Option<usize>) -> Result<Value, Error> {
    let Some(by) = by else {
        return Ok(split_space(text, limit));
    };
    Ok(match limit {
        Some(limit) => texts(text.splitn(limit.saturating_add(1), by.as_str())),
        None => texts(text.split(by.as_str())),
    })
}

/// Splits at runs of white space; what is left after `limit` splits keeps its inner spaces.
fn split_space(text: &str, limit: Option<usize>) -> Value {
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        if limit == Some(parts.len()) {
            parts.push(rest);
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after.trim_start_matches(is_space);
    }
    texts(parts.into_iter())
}

fn rsplit(text: &str, by: Option<String>, limit: Option<usize>) -> Result<Value, Error> {
    let mut parts: Vec<&str> = match (&by, limit) {
        (_, None) => return split(text, by, None),
        (Some(by), Some(limit)) => text.rsplitn(limit.saturating_add(1), by.as_str()).collect(),
        (None, Some(limit)) => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end_matches(is_space);
            while !rest.is_empty() {
                if limit == parts.len() {
                    parts.push(rest);
                    break;
                }
                let start = rest
                    .char_indices()
                    .rev()
                    .find(|(_, character)| is_space(*character))
                    .map_or(0, |(index, character)| index + character.len_utf8());
                let (before, part) = rest.split_at(start);
                parts.push(part);
                rest = before.trim_end_matches(is_space);
            }
            parts
        }
    };
    parts.reverse();
    Ok(texts(parts.into_iter()))
}

/// Splits at every line boundary Python knows.
fn split_lines(text: &str, keep: bool) -> Value {
    let mut lines: Vec<Value> = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let is_end = matches!(
            character,
            '\n' | '\r'
                | '\u{b}'
                | '\u{c}'
                | '\u{1c}'
                | '\u{1d}'
                | '\u{1e}'
                | '\u{85}'
                | '\u{2028}'
                | '\u{2029}'
        );
        if !is_end {
            continue;
        }
        let mut end = index + character.len_utf8();
        if character == '\r' && characters.next_if(|(_, next)| *next == '\n').is_some() {
            end += 1;
        }
        lines.push(
            text.get(start..if keep { end } else { index })
                .unwrap_or_default()
                .into(),
        );
        start = end;
    }
    match text.get(start..) {
        Some(rest) if !rest.is_empty() => lines.push(rest.into()),
        _ => {}
    }
    lines.into()
}

/// The part of the text between two character positions, negative ones counting from the end.
fn window(text: &str, start: Option<i64>, end: Option<i64>) -> Option<(usize, &str)> {
    if start.is_none() && end.is_none() {
        return Some((0, text));
    }
    let length = to_i64(text.chars().count());
    let resolve = |position: i64| {
        let position = if position < 0 {
            position + length
        } else {
            position
        };
        usize::try_from(position.clamp(0, length)).unwrap_or(0)
    };
    if start.is_some_and(|start| start > length) {
        return None;
    }
    let first = resolve(start.unwrap_or(0));
    let last = resolve(end.unwrap_or(length));
    let byte = |position: usize| {
        text.char_indices()
            .nth(position)
            .map_or(text.len(), |(index, _)| index)
    };
    text.get(byte(first)..byte(last)).map(|part| (first, part))
}

fn affix(text: &str, args: &[Value], holds: fn(&str, &str) -> bool) -> Result<Value, Error> {
    let (wanted, start, end): (&Value, Option<i64>, Option<i64>) = from_args(args)?;
    let Some((_, part)) = window(text, start, end) else {
        return Ok(false.into());
    };
    let matches = |affix: &Value| match affix.as_str() {
        Some(affix) => Ok(holds(part, affix)),
        None => Err(fault("the argument must be a string or a tuple of strings")),
    };
    if matches!(wanted.kind(), ValueKind::Seq | ValueKind::Iterable) {
        for affix in wanted.try_iter()? {
            if matches(&affix)? {
                return Ok(true.into());
            }
        }
        return Ok(false.into());
    }
    matches(wanted).map(Value::from)
}

/// The character position of a substring.
fn position(text: &str, args: &[Value], from_end: bool) -> Result<Option<usize>, Error> {
    let (wanted, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let Some((offset, part)) = window(text, start, end) else {
        return Ok(None);
    };
    let found = if from_end {
        part.rfind(wanted)
    } else {
        part.find(wanted)
    };
    Ok(found.map(|byte| offset + part.get(..byte).unwrap_or_default().chars().count()))
}

fn count(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (wanted, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    Ok(window(text, start, end)
        .map_or(0, |(_, part)| part.matches(wanted).count())
        .into())
}

fn join(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (items,): (&Value,) = from_args(args)?;
    let mut joined = String::new();
    for (index, item) in items.try_iter()?.enumerate() {
        let Some(item) = item.as_str() else {
            return Err(fault("sequence item: expected a string"));
        };
        if index > 0 {
            joined.push_str(text);
        }
        joined.push_str(item);
    }
    Ok(joined.into())
}

fn zero_fill(text: &str, width: usize) -> Result<Value, Error> {
    let missing = width.saturating_sub(text.chars().count());
    if missing > PADDING_LIMIT {
        return Err(fault("the padded string is too long"));
    }
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => text.split_at(text.len() - digits.len()),
        None => ("", text),
    };
    Ok(format!("{sign}{}{digits}", "0".repeat(missing)).into())
}

fn pad(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, fill): (i64, Option<&str>) = from_args(args)?;
    let width = usize::try_from(width).unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    if missing > PADDING_LIMIT {
        return Err(fault("the padded string is too long"));
    }
    let fill = fill.unwrap_or(" ");
    if fill.chars().count() != 1 {
        return Err(fault(
            "The fill character must be exactly one character long",
        ));
    }
    let left = match method {
        "ljust" => 0,
        "rjust" => missing,
        // CPython's rule for an odd rest.
        _ => missing / 2 + (missing & width & 1),
    };
    Ok(format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left)).into())
}

fn swap_case(character: char) -> String {
    if character.is_uppercase() {
        character.to_lowercase().collect()
    } else {
        character.to_uppercase().collect()
    }
}

/// `str.title`: a letter after no letter is upper case, any other lower case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        if inside {
            out.extend(character.to_lowercase());
        } else {
            out.extend(character.to_uppercase());
        }
        inside = character.is_alphabetic();
    }
    out
}

pub(super) fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first
            .to_uppercase()
            .chain(characters.flat_map(char::to_lowercase))
            .collect(),
        None => String::new(),
    }
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}

/// Jinja's `replace` filter and Python's method agree but for the argument's types.
pub(super) fn replace(
    value: &Value,
    old: &Value,
    new: &Value,
    count: Option<i64>,
) -> Result<Value, Error> {
    let (text, old, new) = (str_of(value)?, str_of(old)?, str_of(new)?);
    Ok(match count.map(usize::try_from) {
        Some(Ok(count)) => text.replacen(&old, &new, count),
        _ => text.replace(&old, &new),
    }
    .into())
}
