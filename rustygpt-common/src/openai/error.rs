//! The error envelope.

use crate::error_code::ErrorCode;
use serde::{Deserialize, Serialize};

/// What every failed request is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorBody,
}

/// The four keys the official clients read; all of them are always written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// A sentence for a person.
    pub message: String,
    /// The family of the error, for example `invalid_request_error`.
    #[serde(rename = "type")]
    pub error_type: String,
    /// The field of the request at fault, for example `messages[0].content`.
    pub param: Option<String>,
    /// What happened, for a program, for example `model_not_found`.
    pub code: Option<String>,
}

impl ErrorEnvelope {
    /// An envelope for `code`.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>, param: Option<String>) -> Self {
        Self {
            error: ErrorBody {
                message: message.into(),
                error_type: code.error_type().to_owned(),
                param,
                code: Some(code.as_str().to_owned()),
            },
        }
    }
}
