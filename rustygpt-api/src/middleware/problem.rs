//! Errors of `/api` as problem documents; those of `/v1` keep OpenAI's envelope.

use crate::error;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use rustygpt_common::routes;

/// Writes a failed answer of `/api` as a problem document, whoever refused it.
pub(crate) async fn write_as_problem(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with(routes::API_PREFIX);
    let response = next.run(request).await;
    if is_api {
        error::into_problem(response)
    } else {
        response
    }
}
