//! Keys of a request that nothing reads.

use rustygpt_common::openai::ChatRequest;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most names told.
const NAMES: usize = 32;
/// Longest name told.
const NAME_BYTES: usize = 64;

/// The names of a request's keys that nothing reads and that ask for something: `null`, `false`,
/// `"auto"` and `"default"` ask for nothing. Names that do not look like ones are left out, so
/// that they can stand in a header.
pub(super) fn with_meaning(text: &str) -> Vec<String> {
    // The text was parsed before; if it cannot be again, there is nothing to tell.
    serde_json::from_str::<OtherKeys>(text)
        .map(|keys| keys.0)
        .unwrap_or_default()
}

struct OtherKeys(Vec<String>);

impl<'de> Deserialize<'de> for OtherKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = OtherKeys;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<OtherKeys, A::Error> {
                let mut names = Vec::new();
                while let Some(key) = fields.next_key::<String>()? {
                    if ChatRequest::KEYS.contains(&key.as_str()) {
                        fields.next_value::<IgnoredAny>()?;
                    } else if fields.next_value::<Meaning>()?.0
                        && names.len() < NAMES
                        && is_name(&key)
                    {
                        names.push(key);
                    }
                }
                Ok(OtherKeys(names))
            }
        }
        deserializer.deserialize_map(Keys)
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
