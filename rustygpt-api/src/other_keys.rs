//! Keys of a request that nothing reads.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most names told.
const NAMES: usize = 32;
/// Longest name told.
const NAME_BYTES: usize = 64;

/// The names of a request's keys that are none of those `known` and that ask for something: `null`, `false`,
/// `"auto"` and `"default"` ask for nothing. Names that do not look like ones are left out, so
/// that they can stand in a header.
pub(crate) fn with_meaning(text: &str, known: &[&str]) -> Vec<String> {
    // The text was parsed before; if it cannot be again, there is nothing to tell.
    serde_json::Deserializer::from_str(text)
        .deserialize_map(Keys(known))
        .unwrap_or_default()
}

/// Reads an object; all but the keys it knows.
struct Keys<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some(key) = fields.next_key::<String>()? {
            if self.0.contains(&key.as_str()) {
                fields.next_value::<IgnoredAny>()?;
            } else if fields.next_value::<Meaning>()?.0 && names.len() < NAMES && is_name(&key) {
                names.push(key);
            }
        }
        Ok(names)
    }
}

fn is_name(key: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !key.is_empty() && key.len() <= NAME_BYTES && key.bytes().all(is_plain)
}

/// Whether a value asks for something.
struct Meaning(bool);

impl<'de> Deserialize<'de> for Meaning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = Meaning;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any value")
            }
            fn visit_unit<E: Error>(self) -> Result<Meaning, E> {
                Ok(Meaning(false))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Meaning, E> {
                Ok(Meaning(value))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Meaning, E> {
                Ok(Meaning(true))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Meaning, E> {
                Ok(Meaning(true))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Meaning, E> {
                Ok(Meaning(true))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Meaning, E> {
                Ok(Meaning(!matches!(value, "auto" | "default")))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Meaning, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Meaning(true))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Meaning, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Meaning(true))
            }
        }
        deserializer.deserialize_any(Value)
    }
}
