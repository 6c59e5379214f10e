//! A handler that panics answers 500 like any other failure.

use crate::error::ApiError;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;

/// Turns a panic into an answer. What the handler left half done is its own: handlers own no
/// state that outlives them.
pub(crate) async fn answer(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // Where, another line of the log says; with which words nobody does, for they may be the
        // request's.
        Err(_) => ApiError::internal("a handler panicked").into_response(),
    }
}
