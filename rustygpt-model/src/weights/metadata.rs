//! Typed key/value metadata of a GGUF file.

use indexmap::IndexMap;

/// A metadata value. Types as in the GGUF specification (ggml/docs/gguf.md).
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the variants are the specification's own type names"
)]
pub enum MetadataValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(MetadataArray),
}

/// An array of one element type, stored densely so that a large one costs its own size.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the variants are the specification's own type names"
)]
pub enum MetadataArray {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<MetadataArray>),
}

/// All metadata of a file, in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: IndexMap<String, MetadataValue>,
}

impl Metadata {
    /// Wraps entries that have been read and checked.
    #[must_use]
    pub fn new(entries: IndexMap<String, MetadataValue>) -> Self {
        Self { entries }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        self.entries.get(key)
    }

    /// All entries, in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// A string value.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            MetadataValue::String(value) => Some(value),
            _ => None,
        }
    }

    /// Any integer value that fits an unsigned number.
    #[must_use]
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match *self.get(key)? {
            MetadataValue::U8(value) => Some(value.into()),
            MetadataValue::U16(value) => Some(value.into()),
            MetadataValue::U32(value) => Some(value.into()),
            MetadataValue::U64(value) => Some(value),
            MetadataValue::I8(value) => value.try_into().ok(),
            MetadataValue::I16(value) => value.try_into().ok(),
            MetadataValue::I32(value) => value.try_into().ok(),
            MetadataValue::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// Any number, as a float.
    #[must_use]
    pub fn float(&self, key: &str) -> Option<f64> {
        match *self.get(key)? {
            MetadataValue::F32(value) => Some(value.into()),
            MetadataValue::F64(value) => Some(value),
            _ => self.unsigned(key).map(|value| value as f64),
        }
    }

    /// A truth value.
    #[must_use]
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match *self.get(key)? {
            MetadataValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An array of strings.
    #[must_use]
    pub fn strings(&self, key: &str) -> Option<&[String]> {
        match self.get(key)? {
            MetadataValue::Array(MetadataArray::String(values)) => Some(values),
            _ => None,
        }
    }

    /// An array of floats.
    #[must_use]
    pub fn floats(&self, key: &str) -> Option<&[f32]> {
        match self.get(key)? {
            MetadataValue::Array(MetadataArray::F32(values)) => Some(values),
            _ => None,
        }
    }

    /// An array of integers, or a single one as an array of length 1.
    #[must_use]
    pub fn integers(&self, key: &str) -> Option<Vec<i64>> {
        let array = match self.get(key)? {
            MetadataValue::Array(array) => array,
            _ => {
                return self
                    .unsigned(key)
                    .and_then(|v| v.try_into().ok())
                    .map(|v| vec![v]);
            }
        };
        Some(match array {
            MetadataArray::U8(values) => values.iter().map(|&v| v.into()).collect(),
            MetadataArray::I8(values) => values.iter().map(|&v| v.into()).collect(),
            MetadataArray::U16(values) => values.iter().map(|&v| v.into()).collect(),
            MetadataArray::I16(values) => values.iter().map(|&v| v.into()).collect(),
            MetadataArray::U32(values) => values.iter().map(|&v| v.into()).collect(),
            MetadataArray::I32(values) => values.iter().map(|&v| v.into()).collect(),
            MetadataArray::I64(values) => values.clone(),
            MetadataArray::U64(values) => values
                .iter()
                .map(|&v| v.try_into().ok())
                .collect::<Option<_>>()?,
            MetadataArray::Bool(values) => values.iter().map(|&v| i64::from(v)).collect(),
            _ => return None,
        })
    }
}
