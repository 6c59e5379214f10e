//! The error envelope.

use crate::error_code::ErrorCode;
use serde::{Deserialize, Serialize};

/// What every failed request is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicError))]
pub struct ErrorResponse {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The error.
    pub error: ErrorBody,
    /// The request's name, as in the header `request-id`.
    pub request_id: Option<String>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AnthropicErrorBody))]
pub struct ErrorBody {
    /// The family of the error, for example `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A sentence for a person.
    pub message: String,
}

impl ErrorResponse {
    /// An envelope for `code`.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>, request_id: Option<String>) -> Self {
        Self {
            kind: "error".to_owned(),
            error: ErrorBody {
                kind: error_type(code).to_owned(),
                message: message.into(),
            },
            request_id,
        }
    }
}

/// The family of an error, as Anthropic names them.
#[must_use]
pub fn error_type(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ModelNotFound | ErrorCode::NotFound => "not_found_error",
        ErrorCode::RequestTooLarge => "request_too_large",
        ErrorCode::RequestTimeout => "timeout_error",
        ErrorCode::Unavailable => "overloaded_error",
        ErrorCode::Internal => "api_error",
        code => code.error_type(),
    }
}
