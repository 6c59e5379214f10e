//! `POST /v1/embeddings`, as clients send it and as it is answered.

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A request for the vectors of texts. Types only; bounds are checked at the server's edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingsRequest {
    /// The model's id or alias.
    pub model: String,
    /// One text, or a list of at most 2,048; each a string or a list of token ids. None may be
    /// empty or longer than the model's context.
    pub input: EmbeddingsInput,
    /// `float` (the default) or `base64`: 32-bit floats, little-endian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<String>,
    /// Numbers to keep of each vector; the rest is cut off and the length made 1 again. Only for
    /// models that were trained for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What is to become vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum EmbeddingsInput {
    /// One text.
    Text(String),
    /// Texts, or one text's token ids.
    List(Vec<EmbeddingsItem>),
}

/// An entry of a list of inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum EmbeddingsItem {
    /// A text.
    Text(String),
    /// The token ids of a text.
    Tokens(Vec<u32>),
    /// One token id: the whole list is one text.
    Token(u32),
}

impl<'de> Deserialize<'de> for EmbeddingsInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::union::string_or_list(
            deserializer,
            "a string, a list of strings, a list of token ids or a list of such lists",
            Self::Text,
            Self::List,
        )
    }
}

impl<'de> Deserialize<'de> for EmbeddingsItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = EmbeddingsItem;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, a token id or a list of token ids")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<EmbeddingsItem, E> {
                Ok(EmbeddingsItem::Text(text.to_owned()))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<EmbeddingsItem, E> {
                Ok(EmbeddingsItem::Text(text))
            }
            fn visit_u64<E: Error>(self, token: u64) -> Result<EmbeddingsItem, E> {
                match u32::try_from(token) {
                    Ok(token) => Ok(EmbeddingsItem::Token(token)),
                    Err(_) => Err(E::custom(format_args!("no token has the id {token}"))),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<EmbeddingsItem, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(EmbeddingsItem::Tokens)
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

/// The vectors of a request's texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingsResponse {
    /// Always `list`.
    pub object: String,
    /// One entry per text, in the request's order.
    pub data: Vec<EmbeddingsEntry>,
    /// The model's id; an alias is resolved.
    pub model: String,
    /// What it cost.
    pub usage: EmbeddingsUsage,
}

/// The vector of one text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingsEntry {
    /// Always `embedding`.
    pub object: String,
    /// Which text, counted from 0.
    pub index: u32,
    /// The vector; its length is 1.
    pub embedding: EmbeddingsVector,
}

/// A vector, in the encoding asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum EmbeddingsVector {
    /// Numbers.
    Float(Vec<f32>),
    /// 32-bit floats, little-endian, in base64.
    Base64(String),
}

/// What embedding cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingsUsage {
    /// Tokens of all texts.
    pub prompt_tokens: u32,
    /// The same: nothing is written.
    pub total_tokens: u32,
}
