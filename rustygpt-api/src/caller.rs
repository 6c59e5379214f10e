//! [`Asker`]: the caller that the middleware found, for handlers.

use crate::error::ApiError;
use axum::extract::FromRequestParts;
use http::request::Parts;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_orchestrator::access::Caller;

/// Who is asking. A route outside the authentication layer cannot have one.
pub(crate) struct Asker(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(caller) => Ok(Self(caller.clone())),
            None => Err(ApiError::new(
                ErrorCode::InvalidApiKey,
                "No API key was given.",
            )),
        }
    }
}
