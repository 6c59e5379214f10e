//! Values of settings, parsed alike wherever they were written.

use std::fmt;
use std::time::Duration;

/// What the values of a setting are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A file or folder; `~/` is the home folder.
    Path,
    /// A whole number within bounds, both included.
    Number(u64, u64),
    /// A number within bounds, both included, kept as it was written.
    Fraction(f64, f64),
    /// Bytes: a number, or one with a unit (`512MiB`, `4GB`).
    Size,
    /// How long: seconds, or with units (`5m`, `1h30m`); `forever`, or less than zero, has no end.
    Period,
    /// Yes or no.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of texts; one text with commas in the environment.
    List,
}

/// A value of some [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of [`Kind::Text`], [`Kind::Path`], [`Kind::Choice`] or [`Kind::Fraction`].
    Text(String),
    /// Of [`Kind::Number`] or [`Kind::Size`].
    Number(u64),
    /// Of [`Kind::Period`]; `None` has no end.
    Period(Option<Duration>),
    /// Of [`Kind::Switch`].
    Switch(bool),
    /// Of [`Kind::List`].
    List(Vec<String>),
}

impl Kind {
    /// Reads a value as a person writes it. A list has one element.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text | Self::Path if text.is_empty() => Err("must not be empty".to_owned()),
            Self::Text | Self::Path => Ok(Value::Text(text.to_owned())),
            Self::Number(least, most) => {
                let expected = || format!("'{text}' is not a number from {least} to {most}");
                let number = text.parse().map_err(|_| expected())?;
                Self::bounded(number, least, most).ok_or_else(expected)
            }
            Self::Fraction(least, most) => {
                let number = text.parse::<f64>().ok();
                let number = number.filter(|number| (least..=most).contains(number));
                match number {
                    Some(_) => Ok(Value::Text(text.to_owned())),
                    None => Err(format!("'{text}' is not a number from {least} to {most}")),
                }
            }
            Self::Size => parse_size(text).map(Value::Number).ok_or_else(|| {
                format!("'{text}' is not a size; write bytes, or for example 512MiB or 4GB")
            }),
            Self::Period => parse_period(text).map(Value::Period).ok_or_else(|| {
                format!(
                    "'{text}' is not a time; write seconds, or for example 5m, 1h30m or forever"
                )
            }),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(Value::Switch(true)),
                "false" | "no" | "off" | "0" => Ok(Value::Switch(false)),
                _ => Err(format!("'{text}' is neither true nor false")),
            },
            Self::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Choice(words) => Err(format!("'{text}' is none of: {}", words.join(", "))),
            Self::List => Ok(Value::List(vec![text.to_owned()])),
        }
    }

    /// Reads a value from the environment, where a list is one text with commas.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse_variable(self, text: &str) -> Result<Value, String> {
        match self {
            Self::List => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Ok(Value::List(items.map(str::to_owned).collect()))
            }
            _ => self.parse(text),
        }
    }

    /// Reads a value from the file.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse_toml(self, value: &toml::Value) -> Result<Value, String> {
        match (self, value) {
            (Self::List, toml::Value::Array(items)) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                let texts: Option<_> = texts.collect();
                texts
                    .map(Value::List)
                    .ok_or_else(|| "must be a list of texts".to_owned())
            }
            (Self::Switch, toml::Value::Boolean(switch)) => Ok(Value::Switch(*switch)),
            (
                Self::Number(..) | Self::Fraction(..) | Self::Size | Self::Period,
                toml::Value::Integer(number),
            ) => self.parse(&number.to_string()),
            (Self::Fraction(..), toml::Value::Float(number)) => self.parse(&number.to_string()),
            (Self::Number(..) | Self::Fraction(..) | Self::Switch, _) => {
                Err(format!("{value} is not {}", self.noun()))
            }
            (_, toml::Value::String(text)) => self.parse(text),
            _ => Err(format!("{value} is not {}", self.noun())),
        }
    }

    fn bounded(number: u64, least: u64, most: u64) -> Option<Value> {
        (least..=most)
            .contains(&number)
            .then_some(Value::Number(number))
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Text | Self::Choice(_) => "a text",
            Self::Path => "a path",
            Self::Number(..) | Self::Fraction(..) => "a number",
            Self::Size => "a size",
            Self::Period => "a time",
            Self::Switch => "true or false",
            Self::List => "a list of texts",
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// `None` is no time at all, `Some(None)` one without end.
fn parse_period(text: &str) -> Option<Option<Duration>> {
    let endless = text.strip_prefix('-').unwrap_or(text);
    let mut rest = endless.trim();
    if rest == "forever" {
        return Some(None);
    }
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = rest.split_at(digits.unwrap_or(rest.len()));
        let letters = unit.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, following) = unit.split_at(letters.unwrap_or(unit.len()));
        let factor = match unit {
            // A bare number has nothing before or behind it.
            "" if following.is_empty() && number.len() == endless.trim().len() => 1,
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(factor)?;
        seconds = seconds.checked_add(part)?;
        rest = following;
    }
    let is_written = !endless.trim().is_empty();
    let period = (endless.len() == text.len()).then(|| Duration::from_secs(seconds));
    is_written.then_some(period)
}

impl Value {
    /// The value as a person writes it.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Period(Some(period)) => write!(formatter, "{}s", period.as_secs()),
            Self::Period(None) => write!(formatter, "forever"),
            Self::Switch(switch) => write!(formatter, "{switch}"),
            Self::List(items) => write!(formatter, "{items:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4GiB", 4 << 30),
            ("1 gb", 1_000_000_000),
            ("8k", 8192),
        ] {
            assert_eq!(Kind::Size.parse(text), Ok(Value::Number(bytes)), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "4 potatoes", "99999999999TiB"] {
            assert!(Kind::Size.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn periods_are_written_as_ollama_s_users_know_them() {
        let seconds = |seconds| Ok(Value::Period(Some(Duration::from_secs(seconds))));
        for (text, period) in [
            ("0", seconds(0)),
            ("300", seconds(300)),
            ("5m", seconds(300)),
            ("1h30m", seconds(5400)),
            ("2d", seconds(172_800)),
            ("-1", Ok(Value::Period(None))),
            ("-5m", Ok(Value::Period(None))),
            ("forever", Ok(Value::Period(None))),
        ] {
            assert_eq!(Kind::Period.parse(text), period, "{text}");
        }
        for text in ["", "-", "m", "5 m", "1h30", "5y", "99999999999999999d"] {
            assert!(Kind::Period.parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Kind::Period.parse_toml(&toml::Value::Integer(-1)),
            Ok(Value::Period(None))
        );
    }

    #[test]
    fn numbers_have_bounds() {
        let kind = Kind::Number(1, 10);
        assert_eq!(kind.parse("10"), Ok(Value::Number(10)));
        for text in ["0", "11", "-1", "1e1", ""] {
            assert!(kind.parse(text).is_err(), "{text}");
        }
        assert!(
            kind.parse_toml(&toml::Value::String("10".to_owned()))
                .is_err()
        );
        assert!(kind.parse_toml(&toml::Value::Integer(-1)).is_err());
    }

    #[test]
    fn lists_come_from_all_three_places() {
        let list = |items: &[&str]| Ok(Value::List(items.iter().map(|&s| s.to_owned()).collect()));
        assert_eq!(Kind::List.parse("a,b"), list(&["a,b"]));
        assert_eq!(Kind::List.parse_variable("a, b,"), list(&["a", "b"]));
        let array = toml::Value::Array(vec!["a".into(), "b".into()]);
        assert_eq!(Kind::List.parse_toml(&array), list(&["a", "b"]));
        assert!(
            Kind::List
                .parse_toml(&toml::Value::Array(vec![1.into()]))
                .is_err()
        );
    }
}
