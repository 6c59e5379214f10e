//! [`ApiError`]: every failed request ends here. The only file that says a status code.

use crate::sse::push_json;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use rustygpt_common::accounts::Problem;
use rustygpt_common::anthropic;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::ollama;
use rustygpt_common::openai::ErrorEnvelope;
use rustygpt_common::routes::Dialect;
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

    /// The same in the words of a dialect that calls fields otherwise: `(OpenAI's, its)`.
    pub(crate) fn renamed(mut self, names: &[(&str, &str)]) -> Self {
        let of_path = |path: &str, name: &str| {
            let rest = path.strip_prefix(name)?;
            let is_whole = rest.is_empty() || rest.starts_with(['.', '[']);
            is_whole.then(|| rest.to_owned())
        };
        let Some(param) = &self.param else {
            return self;
        };
        for (openai, its) in names {
            if let Some(rest) = of_path(param, openai) {
                let (old, new) = (format!("'{param}'"), format!("{its}{rest}"));
                self.message = self.message.replace(&old, &format!("'{new}'"));
                self.param = Some(new);
                break;
            }
        }
        self
    }

    /// What it says to a person.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What went wrong.
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// The body as an event of a stream that has begun.
    pub(crate) fn event(&self) -> String {
        let mut text = String::new();
        push_json(&mut text, None, &self.envelope());
        text
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
            ErrorCode::NotImplemented => StatusCode::NOT_IMPLEMENTED,
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
        if self.code == ErrorCode::NotImplemented {
            // OpenAI's clients would try again whatever is 5xx.
            let name = HeaderName::from_static("x-should-retry");
            headers.insert(name, HeaderValue::from_static("false"));
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

/// Writes a failed response in a dialect's words: OpenAI's envelope, Anthropic's, Ollama's, or a
/// problem document (RFC 9457). Leaves others as they are.
pub(crate) fn in_dialect(
    mut response: Response,
    dialect: Dialect,
    request_id: Option<String>,
) -> Response {
    let Some(Refused(error)) = response.extensions_mut().remove::<Refused>() else {
        return response;
    };
    let written = match dialect {
        // As it is.
        Dialect::OpenAi => return response,
        Dialect::Anthropic => {
            let envelope = anthropic::ErrorResponse::new(error.code, error.message, request_id);
            Json(envelope).into_response()
        }
        Dialect::Ollama => Json(ollama::ErrorResponse {
            error: error.message,
        })
        .into_response(),
        Dialect::Own => problem(error, response.status()),
    };
    let (mut parts, _) = response.into_parts();
    let (written, body) = written.into_parts();
    // They told of the body that is gone, which may have been compressed.
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(written.headers);
    Response::from_parts(parts, body)
}

fn problem(error: ApiError, status: StatusCode) -> Response {
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: error.message,
        code: error.code.as_str().to_owned(),
        field: error.param,
    };
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (kind, Json(problem)).into_response()
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
