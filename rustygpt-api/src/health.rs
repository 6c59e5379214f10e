//! Whether the process lives and whether a model can answer. Public: they tell nothing else.

use crate::error::ApiError;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::ErrorEnvelope;
use serde::Serialize;
use utoipa::ToSchema;

/// A short answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `ready`.
    status: &'static str,
}

/// Tells that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "server", operation_id = "get_health", security(()),
    responses((status = 200, description = "The process lives.", body = Health)))]
pub(crate) async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Tells whether a model can answer.
#[utoipa::path(get, path = "/readyz", tag = "server", operation_id = "get_ready", security(()),
    responses(
        (status = 200, description = "There are models, those that stay in memory are there and every engine runs.", body = Health),
        (status = 503, description = "No model can answer.", body = ErrorEnvelope),
    ))]
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Json<Health>, ApiError> {
    if state.ending.is_cancelled() || state.tasks.cancellation().is_cancelled() {
        return Err(ApiError::stopping());
    }
    if state.models.are_ready() {
        Ok(Json(Health { status: "ready" }))
    } else {
        Err(ApiError::new(
            ErrorCode::Unavailable,
            "No model can answer.",
        ))
    }
}
