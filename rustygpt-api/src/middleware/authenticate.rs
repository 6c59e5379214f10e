//! A key becomes a caller, or the request ends with 401.

use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes;
use rustygpt_orchestrator::access::Caller;

/// Puts the [`Caller`] into the request. Everything but health needs a key, routes that do not
/// exist included, so that nobody learns which do.
pub(crate) async fn require_key(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if !routes::PUBLIC.contains(&path) {
        let caller = match bearer(request.headers()).and_then(|key| state.keyring.caller(key)) {
            Some(caller) => caller,
            None if state.keyless && routes::is_inference(path) => Caller::keyless(),
            None => return Err(refusal(request.headers())),
        };
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn refusal(headers: &HeaderMap) -> ApiError {
    let message = if headers.contains_key(header::AUTHORIZATION) {
        "Incorrect API key provided. The key is in the file `api-key` of the server's data folder; \
         `rustygpt env openai` prints it ready for use."
    } else {
        "You didn't provide an API key. Send it as `Authorization: Bearer KEY`; `rustygpt env \
         openai` prints it ready for use."
    };
    ApiError::new(ErrorCode::InvalidApiKey, message)
}
