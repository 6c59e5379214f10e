//! Errors in the words of the route that was asked: problem documents, or a dialect's own envelope.

use super::RequestId;
use crate::error;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use rustygpt_common::routes::Dialect;

/// Where Anthropic's clients look for the name of a request.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Writes a failed answer in the dialect of its route, whoever refused it.
pub(crate) async fn write_in_dialect(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let id = id.map(|id| id.0);
    if dialect == Dialect::Anthropic
        && let Some(Ok(id)) = id.as_deref().map(HeaderValue::from_str)
    {
        response.headers_mut().insert(ANTHROPIC_REQUEST_ID, id);
    }
    error::in_dialect(response, dialect, id)
}
