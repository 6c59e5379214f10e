//! Every route of the server, on one page.

use crate::error::ApiError;
use crate::state::ApiState;
use crate::{health, metrics, middleware, openapi, status, v1};
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes;

/// Every route: its path as axum writes it, and what answers its methods.
fn table() -> [(&'static str, MethodRouter<ApiState>); 9] {
    [
        (routes::CHAT_COMPLETIONS, post(v1::chat_completions::create)),
        (routes::EMBEDDINGS, post(v1::embeddings::create)),
        (routes::MODELS, get(v1::models::list)),
        // Ids may contain slashes.
        ("/v1/models/{*id}", get(v1::models::retrieve)),
        (routes::HEALTH, get(health::alive)),
        (routes::READY, get(health::ready)),
        (routes::STATUS, get(status::show)),
        (routes::METRICS, get(metrics::show)),
        (routes::OPENAPI, get(openapi::show)),
    ]
}

/// The paths of all routes, as the OpenAPI document writes them.
pub fn paths() -> impl Iterator<Item = String> {
    table().into_iter().map(|(path, _)| path.replace("{*", "{"))
}

/// The whole service: routes and middleware.
pub fn router(state: ApiState) -> Router {
    let mut router = Router::new();
    for (path, methods) in table() {
        router = router.route(path, methods);
    }
    let router = router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method);
    middleware::apply(router, &state).with_state(state)
}

async fn no_route() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        "There is no such route. GET /openapi.json lists them.",
    )
}

async fn no_method() -> ApiError {
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        "This route does not know that method; the Allow header names those it knows.",
    )
}
