//! Bounds on headers in, safety headers out.

use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use rustygpt_common::error_code::ErrorCode;

const SAFETY: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Refuses requests whose headers are too long or too many.
pub(crate) async fn bound_headers(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let address = request
        .uri()
        .path_and_query()
        .map_or(0, |text| text.as_str().len());
    // Four bytes more per header: the colon, the space and the line's end.
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>()
        .saturating_add(address);
    let limits = &state.limits;
    if bytes > limits.header_bytes || headers.len() > limits.header_count {
        let message = format!(
            "The headers are too large: at most {} bytes in {} headers are accepted.",
            limits.header_bytes, limits.header_count
        );
        return Err(ApiError::new(ErrorCode::HeadersTooLarge, message));
    }
    Ok(next.run(request).await)
}

/// Adds the headers that keep browsers from guessing, framing and telling others.
pub(crate) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SAFETY {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
