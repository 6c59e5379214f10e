//! Filters, tests, functions and methods where Jinja on Python differs from minijinja.

#![expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands filters their arguments by value"
)]

use super::generator::{self, Generator};
use super::json::tojson;
use super::repr::str_of;
use super::strings;
use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use std::fmt::Write;

/// A message of the template's own, by `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::prompt) struct Raised(pub(in crate::prompt) String);

/// Makes the environment speak Python where minijinja's own words differ.
pub(in crate::prompt) fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(method);
    generator::install(environment);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("dict", dict);

    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |value: &Value| str_of(value));
    environment.add_filter("trim", |value: &Value, characters: Option<String>| {
        Ok::<_, Error>(strings::strip(&str_of(value)?, characters.as_deref()).to_owned())
    });
    environment.add_filter("join", join);
    environment.add_filter("replace", strings::replace);
    environment.add_filter("capitalize", |value: &Value| {
        Ok::<_, Error>(strings::capitalize(&str_of(value)?))
    });
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_filter("list", list);
    environment.add_filter("iterated", iterated);
    environment.add_filter("added", added);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("wordcount", |value: &Value| {
        Ok::<_, Error>(str_of(value)?.split_whitespace().count())
    });
    environment.add_filter("center", |value: &Value, width: Option<i64>| {
        let width = Value::from(width.unwrap_or(80));
        strings::call(&str_of(value)?, "center", &[width])
            .unwrap_or_else(|| Err(ErrorKind::UnknownMethod.into()))
    });
    environment.add_filter("forceescape", |value: &Value| {
        Ok::<_, Error>(Value::from_safe_string(escape_html(&str_of(value)?)))
    });
    environment.add_filter("escape", |value: &Value| {
        Ok::<_, Error>(Value::from_safe_string(escape_html(&str_of(value)?)))
    });
    environment.add_filter("e", |value: &Value| {
        Ok::<_, Error>(Value::from_safe_string(escape_html(&str_of(value)?)))
    });
    environment.add_filter("truncate", truncate);

    environment.add_test("sequence", |value: &Value| {
        !Generator::is(value)
            && matches!(
                value.kind(),
                ValueKind::Seq
                    | ValueKind::Iterable
                    | ValueKind::Map
                    | ValueKind::String
                    | ValueKind::Undefined
            )
    });
    environment.add_test("iterable", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq
                | ValueKind::Iterable
                | ValueKind::Map
                | ValueKind::String
                | ValueKind::Undefined
        )
    });
    environment.add_test("number", |value: &Value| {
        matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
    });
    environment.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    let message = str_of(message)?;
    Err(
        Error::new(ErrorKind::InvalidOperation, "the template refused")
            .with_source(Raised(message)),
    )
}

/// `dict(mapping_or_pairs, **more)`.
fn dict(base: Option<Value>, more: Kwargs) -> Result<Value, Error> {
    let mut pairs = Vec::new();
    if let Some(base) = base {
        for item in base.try_iter()? {
            if base.kind() == ValueKind::Map {
                let value = base.get_item(&item)?;
                pairs.push((item, value));
            } else {
                pairs.push((item.get_item(&0.into())?, item.get_item(&1.into())?));
            }
        }
    }
    for name in more.args() {
        pairs.push((Value::from(name), more.get(name)?));
    }
    Ok(Value::from_pairs(pairs))
}

fn join(
    value: &Value,
    separator: Option<Value>,
    attribute: Option<String>,
    keywords: Kwargs,
) -> Result<String, Error> {
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => keywords.get::<Option<String>>("attribute")?,
    };
    let separator = match separator {
        Some(separator) => str_of(&separator)?,
        None => match keywords.get::<Option<Value>>("d")? {
            Some(separator) => str_of(&separator)?,
            None => String::new(),
        },
    };
    keywords.assert_all_used()?;
    let mut out = String::new();
    for (index, item) in iterate(value)?.enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        let item = match &attribute {
            Some(path) => path
                .split('.')
                .try_fold(item, |item, name| item.get_item(&Value::from(name)))?,
            None => item,
        };
        super::write_str(&item, &mut out)?;
    }
    Ok(out)
}

/// Iteration as Python has it: `None` has none.
fn iterate(value: &Value) -> Result<minijinja::value::ValueIter, Error> {
    if value.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "'NoneType' object is not iterable",
        ));
    }
    value.try_iter()
}

/// What a `for` tag iterates; [`crate::prompt::dialect`] puts it there.
fn iterated(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a value of type {} is not iterable", value.kind()),
        )),
        // minijinja knows no length of a string's characters, and so no last one in a loop.
        ValueKind::String => {
            let characters = value.as_str().unwrap_or_default().chars();
            Ok(Value::from(
                characters.map(Value::from).collect::<Vec<Value>>(),
            ))
        }
        _ => Ok(value.clone()),
    }
}

/// A sum in an expression that has safe text; [`crate::prompt::dialect`] puts it there. Text that is
/// added to safe text is escaped.
fn added(left: &Value, right: &Value) -> Result<Value, Error> {
    match (left.as_str(), right.as_str()) {
        (Some(first), Some(second)) => Ok(match (left.is_safe(), right.is_safe()) {
            (false, false) => Value::from(format!("{first}{second}")),
            (true, true) => Value::from_safe_string(format!("{first}{second}")),
            (true, false) => Value::from_safe_string(format!("{first}{}", escape_html(second))),
            (false, true) => Value::from_safe_string(format!("{}{second}", escape_html(first))),
        }),
        _ => match (left.as_i64(), right.as_i64()) {
            (Some(first), Some(second)) => Ok(Value::from(first.saturating_add(second))),
            _ => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "cannot add a value of type {} to {}",
                    right.kind(),
                    left.kind()
                ),
            )),
        },
    }
}

/// `int(value, default=0, base=10)`; what is no number gives the default.
fn int(value: &Value, default: Option<Value>, keywords: Kwargs) -> Result<Value, Error> {
    let default = default
        .or(keywords.get::<Option<Value>>("default")?)
        .unwrap_or(Value::from(0));
    let base: u32 = keywords.get::<Option<u32>>("base")?.unwrap_or(10);
    keywords.assert_all_used()?;
    Ok(match value.kind() {
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::Number if value.is_integer() => value.clone(),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if number.is_finite() => Value::from(number.trunc() as i64),
            _ => default,
        },
        ValueKind::String => {
            let text = strings::strip(value.as_str().unwrap_or_default(), None).replace('_', "");
            let digits = match base {
                16 => text.trim_start_matches("0x").trim_start_matches("0X"),
                8 => text.trim_start_matches("0o"),
                2 => text.trim_start_matches("0b"),
                _ => text.as_str(),
            };
            let parsed = (2..=36)
                .contains(&base)
                .then(|| i64::from_str_radix(digits, base).ok());
            match (parsed.flatten(), text.parse::<f64>()) {
                (Some(number), _) => Value::from(number),
                (None, Ok(number)) if number.is_finite() => Value::from(number.trunc() as i64),
                _ => default,
            }
        }
        _ => default,
    })
}

/// `float(value, default=0.0)`; what is no number gives the default.
fn float(value: &Value, default: Option<Value>, keywords: Kwargs) -> Result<Value, Error> {
    let default = default
        .or(keywords.get::<Option<Value>>("default")?)
        .unwrap_or(Value::from(0.0));
    keywords.assert_all_used()?;
    let number = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => strings::strip(value.as_str().unwrap_or_default(), None)
            .replace('_', "")
            .parse()
            .ok(),
        _ => None,
    };
    Ok(number.map_or(default, Value::from))
}

fn length(value: &Value) -> Result<usize, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(0),
        ValueKind::Iterable if Generator::is(value) => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a generator has no len()",
        )),
        ValueKind::Iterable => match value.len() {
            Some(length) => Ok(length),
            None => Ok(value.try_iter()?.count()),
        },
        kind => value.len().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("object of type {kind} has no len()"),
            )
        }),
    }
}

fn list(value: &Value) -> Result<Value, Error> {
    Ok(Value::from(iterate(value)?.collect::<Vec<Value>>()))
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            _ => out.push(character),
        }
    }
    out
}

/// `truncate(s, length=255, killwords=False, end='...', leeway=5)`.
fn truncate(value: &Value, positional: Rest<Value>, keywords: Kwargs) -> Result<String, Error> {
    let argument = |index: usize, name: &str| -> Result<Option<Value>, Error> {
        match positional.0.get(index) {
            Some(value) => Ok(Some(value.clone())),
            None => keywords.get::<Option<Value>>(name),
        }
    };
    let length = argument(0, "length")?
        .map(usize::try_from)
        .transpose()?
        .unwrap_or(255);
    let kills_words = argument(1, "killwords")?.is_some_and(|value| value.is_true());
    let end = argument(2, "end")?.map_or(Ok("...".to_owned()), |end| str_of(&end))?;
    let leeway = argument(3, "leeway")?
        .map(usize::try_from)
        .transpose()?
        .unwrap_or(5);
    keywords.assert_all_used()?;
    let text = str_of(value)?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let kept: String = text
        .chars()
        .take(length.saturating_sub(end.chars().count()))
        .collect();
    let kept = if kills_words {
        kept.as_str()
    } else {
        kept.rsplit_once(' ')
            .map_or(kept.as_str(), |(before, _)| before)
    };
    Ok(format!("{kept}{end}"))
}

/// Methods of strings, lists and dictionaries. Those that would change their object fail, as in
/// Jinja's immutable sandbox.
pub(in crate::prompt) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => {
            if method == "format" {
                return format_method(value.as_str().unwrap_or_default(), args);
            }
            match strings::call(value.as_str().unwrap_or_default(), method, args) {
                Some(result) => result,
                None => unknown_method_callback(state, value, method, args),
            }
        }
        ValueKind::Map => match method {
            // Tuples and lists, so that they print and serialise as Python's views never need to.
            "items" => {
                let () = from_args(args)?;
                value
                    .try_iter()?
                    .map(|key| {
                        let item = value.get_item(&key)?;
                        Ok(Value::from(Tuple::from(vec![key, item])))
                    })
                    .collect::<Result<Vec<Value>, Error>>()
                    .map(Value::from)
            }
            "copy" => {
                let () = from_args(args)?;
                Ok(value.clone())
            }
            "update" | "pop" | "popitem" | "clear" | "setdefault" => Err(immutable(method)),
            _ => unknown_method_callback(state, value, method, args),
        },
        ValueKind::Seq | ValueKind::Iterable => match method {
            "index" => {
                let (wanted,): (&Value,) = from_args(args)?;
                value
                    .try_iter()?
                    .position(|item| item == *wanted)
                    .map(Value::from)
                    .ok_or_else(|| {
                        Error::new(ErrorKind::InvalidOperation, "the value is not in the list")
                    })
            }
            "count" => {
                let (wanted,): (&Value,) = from_args(args)?;
                Ok(value
                    .try_iter()?
                    .filter(|item| item == wanted)
                    .count()
                    .into())
            }
            "copy" => {
                let () = from_args(args)?;
                list(value)
            }
            "append" | "extend" | "insert" | "pop" | "remove" | "clear" | "sort" | "reverse" => {
                Err(immutable(method))
            }
            _ => unknown_method_callback(state, value, method, args),
        },
        _ => unknown_method_callback(state, value, method, args),
    }
}

fn immutable(method: &str) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("access to method '{method}' is unsafe: templates may not change values"),
    )
}

/// `str.format` with `{}`, `{0}` and `{name}` fields; other forms go to minijinja's formatter.
fn format_method(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (positional, keywords): (Rest<Value>, Kwargs) = from_args(args)?;
    let mut out = String::with_capacity(text.len());
    let mut automatic = 0;
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else {
            let Some((field, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}'))
            else {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "single brace in format string",
                ));
            };
            if !field
                .chars()
                .all(|character| character.is_alphanumeric() || character == '_')
            {
                let style = minijinja::formatting::FormatStyle::StrFormat;
                return minijinja::formatting::format(style, text, args).map(Value::from);
            }
            let value = if field.is_empty() {
                automatic += 1;
                positional.0.get(automatic - 1).cloned()
            } else if let Ok(index) = field.parse::<usize>() {
                positional.0.get(index).cloned()
            } else {
                keywords.get::<Option<Value>>(field)?
            };
            let value = value.ok_or_else(|| {
                Error::new(ErrorKind::MissingArgument, "a format field has no argument")
            })?;
            write!(out, "{}", str_of(&value)?)?;
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out.into())
}
