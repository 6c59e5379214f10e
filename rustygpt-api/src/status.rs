//! How busy the server is.

use crate::caller::Asker;
use crate::error::ApiError;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use rustygpt_common::openai::ErrorEnvelope;
use rustygpt_model::contract::ModelKind;
use rustygpt_model::engine::AnyModel;
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};
use serde::Serialize;
use utoipa::ToSchema;

/// How busy the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerStatus {
    /// The version of RustyGPT.
    version: &'static str,
    /// The models, sorted by id.
    models: Vec<ModelStatus>,
}

/// How busy one model is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelStatus {
    /// The model's id.
    id: String,
    /// `language` or `embedding`.
    kind: &'static str,
    /// Numbers in a vector of a model that embeds.
    dimensions: Option<usize>,
    /// The architecture's name in its file.
    architecture: String,
    /// The prevailing type of its weights.
    quantization: String,
    /// Number of weights.
    parameters: u64,
    /// Tokens that prompt and answer may have together.
    context_length: usize,
    /// `running`, or why it stopped.
    state: String,
    /// Choices that can be answered at once; for a model that embeds these are requests.
    slots: usize,
    /// Choices that are being answered.
    running: usize,
    /// Choices that wait.
    waiting: usize,
    /// Blocks of the key/value cache in use.
    kv_blocks_used: usize,
    /// Blocks of the key/value cache.
    kv_blocks_total: usize,
    /// Tokens of all prompts taken on, those given up before they were read included.
    prompt_tokens_total: u64,
    /// Tokens written so far.
    completion_tokens_total: u64,
    /// Forward passes so far.
    steps_total: u64,
    /// Tokens written per second, lately.
    tokens_per_second: f64,
}

/// Shows how busy the server is.
#[utoipa::path(get, path = "/status", tag = "server", operation_id = "get_status",
    responses(
        (status = 200, description = "Models, slots, queue and speed.", body = ServerStatus),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
    ))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Asker(caller): Asker,
) -> Result<Json<ServerStatus>, ApiError> {
    authorize(&caller, Action::View, Thing::Status).map_err(UseCaseError::from)?;
    let models = state.models.loaded().map(ModelStatus::of).collect();
    Ok(Json(ServerStatus {
        version: env!("CARGO_PKG_VERSION"),
        models,
    }))
}

impl ModelStatus {
    fn of(model: &AnyModel) -> Self {
        let description = model.description();
        let status = model.status();
        Self {
            id: description.id.clone(),
            kind: description.kind.name(),
            dimensions: match description.kind {
                ModelKind::Embedding { dimensions, .. } => Some(dimensions),
                ModelKind::Language => None,
            },
            architecture: description.architecture.clone(),
            quantization: description.quantization.clone(),
            parameters: description.parameters,
            context_length: description.context_length,
            state: status.stopped.unwrap_or_else(|| "running".to_owned()),
            slots: status.slots,
            running: status.running,
            waiting: status.waiting,
            kv_blocks_used: status.kv_blocks_used,
            kv_blocks_total: status.kv_blocks_total,
            prompt_tokens_total: status.prompt_tokens_total,
            completion_tokens_total: status.completion_tokens_total,
            steps_total: status.steps,
            tokens_per_second: status.tokens_per_second,
        }
    }
}
