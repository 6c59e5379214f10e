//! What shape the answer must have.

use super::{invalid, missing};
use crate::error::ApiError;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::{JsonSchemaFormat, ResponseFormat};
use rustygpt_model::contract::Grammar;
use rustygpt_model::grammar::{Schema, SchemaProblem};
use serde_json::Value;

const NAME_BYTES: usize = 64;

/// The grammar of a `response_format`; `None` for free text.
///
/// # Errors
/// 400 with the path of the keyword that cannot be honoured.
pub(in crate::v1) fn grammar(format: Option<ResponseFormat>) -> Result<Option<Grammar>, ApiError> {
    let Some(format) = format else {
        return Ok(None);
    };
    match format.kind.as_str() {
        "text" => Ok(None),
        "json_object" => match format.schema {
            None => Ok(Some(Grammar::JsonObject)),
            // As llama.cpp's clients write a schema.
            Some(schema) => checked("response_format.schema", schema, false).map(Some),
        },
        "json_schema" => json_schema(
            format
                .json_schema
                .ok_or_else(|| missing("response_format.json_schema"))?,
        )
        .map(Some),
        _ => Err(invalid(
            "response_format.type",
            "must be `text`, `json_object` or `json_schema`",
        )),
    }
}

fn json_schema(format: JsonSchemaFormat) -> Result<Grammar, ApiError> {
    let at = "response_format.json_schema";
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if let Some(name) = &format.name
        && (name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_plain))
    {
        let message = format!("must have 1 to {NAME_BYTES} letters, digits, `_` or `-`");
        return Err(invalid(&format!("{at}.name"), message));
    }
    let schema = format
        .schema
        .ok_or_else(|| missing(&format!("{at}.schema")))?;
    checked(
        &format!("{at}.schema"),
        schema,
        format.strict.unwrap_or(false),
    )
}

fn checked(at: &str, schema: Value, is_strict: bool) -> Result<Grammar, ApiError> {
    let schema = Schema::new(schema, is_strict).map_err(|problem| refused(at, &problem))?;
    Ok(Grammar::JsonSchema(schema.into_value()))
}

/// A schema that cannot be honoured.
pub(super) fn refused(at: &str, problem: &SchemaProblem) -> ApiError {
    let param = format!("{at}{}", problem.path);
    let message = format!("'{param}': {problem}.");
    ApiError::at(ErrorCode::UnsupportedParameter, param, message)
}
