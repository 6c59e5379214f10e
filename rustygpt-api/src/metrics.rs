//! The measurements in Prometheus' text format.

use crate::caller::Asker;
use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::State;
use http::{HeaderName, HeaderValue, header};
use rustygpt_common::openai::ErrorEnvelope;
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};

/// Shows the measurements.
#[utoipa::path(get, path = "/metrics", tag = "server", operation_id = "get_metrics",
    responses(
        (status = 200, description = "Prometheus' text format.", body = String,
            content_type = "text/plain"),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
    ))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Asker(caller): Asker,
) -> Result<([(HeaderName, HeaderValue); 1], String), ApiError> {
    authorize(&caller, Action::View, Thing::Status).map_err(UseCaseError::from)?;
    let text_format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let queue = match &state.accounts {
        // A store that does not answer leaves the numbers as they were.
        Some(accounts) => accounts.count_tasks(&caller).await.ok(),
        None => None,
    };
    if let Some(counts) = queue {
        state.measurements.queue(&counts);
    }
    if let Some(statistics) = &state.work {
        state.measurements.work(statistics);
    }
    Ok((
        [(header::CONTENT_TYPE, text_format)],
        state.measurements.render(&state.models),
    ))
}
