//! Fields that come in more than one shape, read without buffering, so that an error still knows
//! its path.

use serde::Serialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A string, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum StringOrList {
    /// One string.
    One(String),
    /// Any number of strings.
    Many(Vec<String>),
}

impl StringOrList {
    /// The strings as a list.
    #[must_use]
    pub fn into_list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl<'de> Deserialize<'de> for StringOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        string_or_list(
            deserializer,
            "a string or a list of strings",
            Self::One,
            Self::Many,
        )
    }
}

/// Reads a string or a list of `T`.
pub(crate) fn string_or_list<'de, D, T, R>(
    deserializer: D,
    expected: &'static str,
    from_text: fn(String) -> R,
    from_list: fn(Vec<T>) -> R,
) -> Result<R, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Shapes<T, R>(&'static str, fn(String) -> R, fn(Vec<T>) -> R);
    impl<'de, T: Deserialize<'de>, R> Visitor<'de> for Shapes<T, R> {
        type Value = R;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<R, E> {
            Ok((self.1)(text.to_owned()))
        }
        fn visit_string<E: Error>(self, text: String) -> Result<R, E> {
            Ok((self.1)(text))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<R, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(items)).map(self.2)
        }
    }
    deserializer.deserialize_any(Shapes(expected, from_text, from_list))
}

/// Reads a string or an object `T`.
pub(crate) fn string_or_object<'de, D, T, R>(
    deserializer: D,
    expected: &'static str,
    from_text: fn(String) -> R,
    from_object: fn(T) -> R,
) -> Result<R, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Shapes<T, R>(&'static str, fn(String) -> R, fn(T) -> R, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, R> Visitor<'de> for Shapes<T, R> {
        type Value = R;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<R, E> {
            Ok((self.1)(text.to_owned()))
        }
        fn visit_string<E: Error>(self, text: String) -> Result<R, E> {
            Ok((self.1)(text))
        }
        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<R, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields)).map(self.2)
        }
    }
    deserializer.deserialize_any(Shapes(expected, from_text, from_object, PhantomData))
}
