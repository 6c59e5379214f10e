//! A client's request becomes an [`EmbeddingRequest`], or an error that names the field at fault.

use crate::error::ApiError;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::{EmbeddingsInput, EmbeddingsItem, EmbeddingsRequest};
use rustygpt_model::contract::{EmbeddingInput, EmbeddingRequest};

/// Texts of one request, as OpenAI bounds them.
const TEXTS: usize = 2048;

/// A request in which everything is possible.
#[derive(Debug)]
pub(super) struct Validated {
    /// The name of the model asked for.
    pub(super) model: String,
    /// What the engine is asked.
    pub(super) request: EmbeddingRequest,
    /// How vectors are written.
    pub(super) encoding: Encoding,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As numbers.
    Float,
    /// As bytes in base64.
    Base64,
}

/// Checks what can be checked without the model.
///
/// # Errors
/// 400 with the field at fault.
pub(super) fn validate(request: EmbeddingsRequest) -> Result<Validated, ApiError> {
    let encoding = match request.encoding_format.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(_) => {
            let message = "'encoding_format' must be `float` or `base64`.";
            return Err(invalid("encoding_format", message));
        }
    };
    let inputs = match request.input {
        EmbeddingsInput::Text(text) => vec![text_input(text, || "input".to_owned())?],
        EmbeddingsInput::List(items) => list(items)?,
    };
    Ok(Validated {
        model: request.model,
        request: EmbeddingRequest {
            inputs,
            // More than any model has is refused by the model that is asked.
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
        },
        encoding,
    })
}

fn list(items: Vec<EmbeddingsItem>) -> Result<Vec<EmbeddingInput>, ApiError> {
    let is_token = |item: &EmbeddingsItem| matches!(item, EmbeddingsItem::Token(_));
    if items.is_empty() {
        return Err(invalid("input", "'input' must not be empty."));
    }
    if items.iter().all(is_token) {
        let tokens = items.into_iter().filter_map(|item| match item {
            EmbeddingsItem::Token(token) => Some(token),
            _ => None,
        });
        return Ok(vec![EmbeddingInput::Tokens(tokens.collect())]);
    }
    if items.len() > TEXTS {
        let message = format!("'input' may have {TEXTS} texts, not {}.", items.len());
        return Err(invalid("input", message));
    }
    let input = |(index, item)| {
        let param = || format!("input[{index}]");
        match item {
            EmbeddingsItem::Text(text) => text_input(text, param),
            EmbeddingsItem::Tokens(tokens) if tokens.is_empty() => Err(empty(&param())),
            EmbeddingsItem::Tokens(tokens) => Ok(EmbeddingInput::Tokens(tokens)),
            EmbeddingsItem::Token(_) => {
                let message = "'input' mixes single token ids with texts.";
                Err(invalid(&param(), message))
            }
        }
    };
    items.into_iter().enumerate().map(input).collect()
}

fn text_input(text: String, param: impl Fn() -> String) -> Result<EmbeddingInput, ApiError> {
    match text.is_empty() {
        true => Err(empty(&param())),
        false => Ok(EmbeddingInput::Text(text)),
    }
}

fn empty(param: &str) -> ApiError {
    let message = format!("'{param}' must not be empty.");
    invalid(param, message)
}

fn invalid(param: &str, message: impl Into<String>) -> ApiError {
    ApiError::at(ErrorCode::InvalidValue, param, message)
}
