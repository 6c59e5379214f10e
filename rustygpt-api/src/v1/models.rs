//! The list of models.

use crate::caller::Asker;
use crate::error::ApiError;
use crate::state::ApiState;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::{ErrorEnvelope, Model, ModelList};
use rustygpt_orchestrator::models::About;

/// Lists the models and their aliases, sorted, whether they are in memory or not.
#[utoipa::path(get, path = "/v1/models", tag = "inference", operation_id = "list_models",
    responses(
        (status = 200, description = "The models.", body = ModelList),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
    ))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Asker(caller): Asker,
) -> Result<Json<ModelList>, ApiError> {
    let listed = state.models.list(&caller)?;
    let data = listed
        .iter()
        .map(|listed| describe(&listed.name, &listed.about))
        .collect();
    Ok(Json(ModelList {
        object: "list".to_owned(),
        data,
    }))
}

/// Describes one model; its id may contain slashes.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "inference", operation_id = "retrieve_model",
    params(("id" = String, Path, description = "The model's id or alias.")),
    responses(
        (status = 200, description = "The model.", body = Model),
        (status = 400, description = "The id is not UTF-8.", body = ErrorEnvelope),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
        (status = 404, description = "There is no such model.", body = ErrorEnvelope),
    ))]
pub(crate) async fn retrieve(
    State(state): State<ApiState>,
    Asker(caller): Asker,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, ApiError> {
    let Path(id) =
        id.map_err(|_| ApiError::new(ErrorCode::BadRequest, "The model's id is not UTF-8."))?;
    let about = state.models.view(&caller, &id)?;
    Ok(Json(describe(&id, &about)))
}

fn describe(name: &str, about: &About) -> Model {
    Model {
        id: name.to_owned(),
        object: "model".to_owned(),
        created: about.created,
        owned_by: "rustygpt".to_owned(),
        root: about.id.clone(),
        max_model_len: about.context_length,
    }
}
