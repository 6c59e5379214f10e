//! A handler that panics answers 500 like any other failure.

use crate::error::ApiError;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;

/// Turns a panic into an answer. What the handler left half done is its own: handlers own no
/// state that outlives them.
pub(crate) async fn answer(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => ApiError::internal(text_of(panic.as_ref())).into_response(),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "a handler panicked: {}",
        text.unwrap_or("without a message")
    )
}
