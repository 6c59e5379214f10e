//! [`ApiError`]: every failed request ends here. The only file that says a status code.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use rustygpt_common::accounts::Problem;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::ErrorEnvelope;
use rustygpt_common::sse::Event;
use rustygpt_model::contract::ModelError;
use rustygpt_orchestrator::UseCaseError;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Longest message sent out; a parser's message can quote the whole body.
const MESSAGE_CHARACTERS: usize = 500;

/// A failed request: what the client is told, and what only the log is told.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
    param: Option<String>,
    retry_after_seconds: Option<u64>,
    inside: Option<Arc<dyn Error + Send + Sync>>,
}

/// A failed response's own words, for those who write it in another form.
#[derive(Clone, Debug)]
struct Refused(ApiError);

/// What a failed response tells the log. Never the message: it may quote the prompt.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What went wrong.
    pub(crate) code: ErrorCode,
    /// The field at fault.
    pub(crate) param: Option<String>,
    /// The inside cause.
    pub(crate) inside: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error that names no field.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: shortened(message.into(), MESSAGE_CHARACTERS),
            param: None,
            retry_after_seconds: None,
            inside: None,
        }
    }

    /// An error of the field `param`, as OpenAI writes its path: `messages[0].content`.
    pub(crate) fn at(
        code: ErrorCode,
        param: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            param: Some(shortened(param.into(), 200)),
            ..Self::new(code, message)
        }
    }

    /// Our own fault; `inside` goes to the log only.
    pub(crate) fn internal(inside: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            inside: Some(Arc::from(inside.into())),
            ..Self::plainly_internal()
        }
    }

    /// Our own fault, of which nothing is known.
    pub(crate) fn plainly_internal() -> Self {
        Self::new(
            ErrorCode::Internal,
            "The server failed. The log of the server says why.",
        )
    }

    /// The engine could not go on; it says why itself, in words for the client.
    pub(crate) fn engine_failed(message: String) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// The server is stopping.
    pub(crate) fn stopping() -> Self {
        Self {
            retry_after_seconds: Some(5),
            ..Self::new(
                ErrorCode::Unavailable,
                "The server is stopping; try again soon.",
            )
        }
    }

    /// Too much, and when to try again.
    pub(crate) fn too_much(
        code: ErrorCode,
        message: impl Into<String>,
        retry_after: Duration,
    ) -> Self {
        // Rounded up: who comes a moment too early is refused again.
        let seconds = retry_after.as_millis().div_ceil(1000);
        Self {
            retry_after_seconds: Some(u64::try_from(seconds).unwrap_or(u64::MAX).max(1)),
            ..Self::new(code, message)
        }
    }

    /// What somebody began may not go on: their sign-in or key was ended, or may do less now.
    pub(crate) fn access_ended() -> Self {
        Self::new(
            ErrorCode::PermissionDenied,
            "Your access was ended or changed.",
        )
    }

    /// The body that goes out.
    pub(crate) fn envelope(&self) -> ErrorEnvelope {
        ErrorEnvelope::new(self.code, self.message.clone(), self.param.clone())
    }

    /// What went wrong.
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// The body as an event of a stream that has begun.
    pub(crate) fn event(&self) -> String {
        match serde_json::to_string(&self.envelope()) {
            Ok(json) => Event::data(json).encode(),
            // Plain structs of strings always serialise.
            Err(error) => {
                tracing::error!(%error, "an event could not be written");
                String::new()
            }
        }
    }

    fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::InvalidJson
            | ErrorCode::InvalidType
            | ErrorCode::InvalidValue
            | ErrorCode::MissingRequiredParameter
            | ErrorCode::UnsupportedParameter
            | ErrorCode::ContextLengthExceeded
            | ErrorCode::InvalidPrompt
            | ErrorCode::ModelNotSupported
            | ErrorCode::SignInLost
            | ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
            ErrorCode::InvalidApiKey
            | ErrorCode::SignInRefused
            | ErrorCode::SecondFactorRequired
            | ErrorCode::IdentityRefused
            | ErrorCode::SignedOut => StatusCode::UNAUTHORIZED,
            ErrorCode::PermissionDenied
            | ErrorCode::HostNotAllowed
            | ErrorCode::OriginNotAllowed
            | ErrorCode::SignUpClosed
            | ErrorCode::IssuerRefused
            | ErrorCode::EmailUnverified
            | ErrorCode::InsecureConnection => StatusCode::FORBIDDEN,
            ErrorCode::Conflict => StatusCode::CONFLICT,
            ErrorCode::ModelNotFound | ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            ErrorCode::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ErrorCode::QueueFull | ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::IssuerUnavailable => StatusCode::BAD_GATEWAY,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.envelope())).into_response();
        let headers = response.headers_mut();
        if self.code == ErrorCode::InvalidApiKey {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Failure {
            code: self.code,
            param: self.param.clone(),
            inside: self.inside.clone(),
        });
        response.extensions_mut().insert(Refused(self));
        response
    }
}

/// Leads a browser on to another address by GET.
///
/// # Errors
/// An address that no header can hold.
pub(crate) fn see_other(to: &str) -> Result<Response, ApiError> {
    let to = HeaderValue::from_str(to).map_err(ApiError::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response())
}

/// Writes a failed response as a problem document (RFC 9457); leaves others as they are.
pub(crate) fn into_problem(mut response: Response) -> Response {
    let Some(Refused(error)) = response.extensions_mut().remove::<Refused>() else {
        return response;
    };
    let status = response.status();
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: error.message,
        code: error.code.as_str().to_owned(),
        field: error.param,
    };
    let (mut parts, _) = response.into_parts();
    let (written, body) = Json(problem).into_response().into_parts();
    parts.headers.extend(written.headers);
    let kind = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, kind);
    Response::from_parts(parts, body)
}

impl From<UseCaseError> for ApiError {
    fn from(error: UseCaseError) -> Self {
        let message = error.to_string();
        match error {
            UseCaseError::Denied(denied) => {
                Self::new(ErrorCode::PermissionDenied, denied.to_string())
            }
            UseCaseError::ModelNotFound { .. } => {
                Self::at(ErrorCode::ModelNotFound, "model", error.to_string())
            }
            UseCaseError::WrongKind { .. } => {
                Self::at(ErrorCode::ModelNotSupported, "model", error.to_string())
            }
            UseCaseError::NoRoom { .. } => {
                Self::at(ErrorCode::Unavailable, "model", error.to_string())
            }
            UseCaseError::NotLoaded { ref cause, .. } => Self {
                inside: Some(Arc::clone(cause) as _),
                ..Self::at(ErrorCode::Unavailable, "model", error.to_string())
            },
            UseCaseError::Model(error) => error.into(),
            UseCaseError::NotFound(_) => Self::new(ErrorCode::NotFound, message),
            UseCaseError::Invalid { field, .. } => {
                Self::at(ErrorCode::InvalidValue, field, message)
            }
            UseCaseError::Conflict(_) | UseCaseError::RefreshRaced => {
                Self::new(ErrorCode::Conflict, message)
            }
            UseCaseError::SignInRefused => Self::new(ErrorCode::SignInRefused, message),
            UseCaseError::SecondFactorRequired => {
                Self::at(ErrorCode::SecondFactorRequired, "code", message)
            }
            UseCaseError::SignedOut => Self::new(ErrorCode::SignedOut, message),
            UseCaseError::SignUpClosed => Self::new(ErrorCode::SignUpClosed, message),
            UseCaseError::SignInLost => Self::new(ErrorCode::SignInLost, message),
            UseCaseError::IssuerRefused => Self::new(ErrorCode::IssuerRefused, message),
            UseCaseError::IdentityRefused => Self::new(ErrorCode::IdentityRefused, message),
            UseCaseError::EmailUnverified => Self::new(ErrorCode::EmailUnverified, message),
            UseCaseError::IssuerUnavailable(inside) => Self {
                inside: Some(Arc::from(inside)),
                ..Self::new(ErrorCode::IssuerUnavailable, message)
            },
            UseCaseError::Busy { retry_after, .. } => {
                Self::too_much(ErrorCode::RateLimited, message, retry_after)
            }
            UseCaseError::StoreUnavailable { retry_after, cause } => Self {
                inside: Some(Arc::new(cause)),
                ..Self::too_much(ErrorCode::Unavailable, message, retry_after)
            },
            UseCaseError::Internal(inside) => Self::internal(inside),
        }
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        let message = error.to_string();
        match error {
            ModelError::ContextLengthExceeded { .. } => {
                Self::at(ErrorCode::ContextLengthExceeded, "messages", message)
            }
            ModelError::InputTooLong { index, .. } => Self::at(
                ErrorCode::ContextLengthExceeded,
                format!("input[{index}]"),
                message,
            ),
            ModelError::Unsupported { param, .. } => {
                Self::at(ErrorCode::UnsupportedParameter, param, message)
            }
            ModelError::Template { .. } => Self::at(ErrorCode::InvalidPrompt, "messages", message),
            ModelError::QueueFull {
                retry_after_seconds,
                ..
            } => Self {
                // A client that takes 0 at its word would come back at once.
                retry_after_seconds: Some(retry_after_seconds.max(1)),
                ..Self::new(ErrorCode::QueueFull, message)
            },
            ModelError::Stopped { .. } => Self {
                retry_after_seconds: Some(5),
                inside: Some(Arc::new(error)),
                ..Self::new(
                    ErrorCode::Unavailable,
                    "The model is not running; try again soon.",
                )
            },
            // Their texts name files of this machine: they are for the log.
            ModelError::InvalidFile { .. }
            | ModelError::Unreadable { .. }
            | ModelError::UnsupportedModel { .. }
            | ModelError::OutOfMemory { .. }
            | ModelError::Internal(_) => Self::internal(error),
        }
    }
}

fn shortened(text: String, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
