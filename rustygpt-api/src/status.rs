//! How busy the server is.

use crate::caller::Asker;
use crate::error::ApiError;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use rustygpt_common::openai::ErrorEnvelope;
use rustygpt_model::contract::ModelKind;
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};
use rustygpt_orchestrator::models::Overview;
use rustygpt_orchestrator::models::residency::Phase;
use serde::Serialize;
use utoipa::ToSchema;

/// How busy the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerStatus {
    /// The version of RustyGPT.
    version: &'static str,
    /// Bytes that all loaded models together may take; `null` where nothing bounds them.
    model_memory_bytes: Option<u64>,
    /// The models, loaded or not, sorted by id.
    models: Vec<ModelStatus>,
}

/// How busy one model is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelStatus {
    /// The model's id.
    id: String,
    /// `language` or `embedding`.
    kind: &'static str,
    /// Numbers in a vector of a model that embeds; known while it is loaded.
    dimensions: Option<usize>,
    /// The architecture's name in its file.
    architecture: String,
    /// The prevailing type of its weights.
    quantization: String,
    /// Number of weights.
    parameters: u64,
    /// Tokens that prompt and answer may have together; of a model that is not loaded, those it
    /// is likely to allow.
    context_length: Option<usize>,
    /// `running`, or why it stopped; `not loaded`, `waiting for memory`, `loading` or `unloading`.
    state: String,
    /// Bytes of memory that it takes: weights, cache and working space.
    memory_bytes: u64,
    /// Whether it stays in memory, however long nobody uses it.
    is_pinned: bool,
    /// Requests that wait until it is loaded.
    waiting_for_load: usize,
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
    let models = state.models.overview().map(ModelStatus::of).collect();
    Ok(Json(ServerStatus {
        version: env!("CARGO_PKG_VERSION"),
        model_memory_bytes: state.models.memory(),
        models,
    }))
}

impl ModelStatus {
    fn of(overview: Overview<'_>) -> Self {
        let Overview {
            about,
            standing,
            model,
        } = overview;
        let description = model.as_ref().map(|model| model.description());
        let status = model.as_ref().map(|model| model.status());
        let status = status.unwrap_or_default();
        Self {
            id: about.id.clone(),
            kind: about.capability.name(),
            dimensions: match description.map(|description| description.kind) {
                Some(ModelKind::Embedding { dimensions, .. }) => Some(dimensions),
                Some(ModelKind::Language) | None => None,
            },
            architecture: about.architecture.clone(),
            quantization: about.quantization.clone(),
            parameters: about.parameters,
            context_length: match description {
                Some(description) => Some(description.context_length),
                None => about.context_length,
            },
            state: match standing.phase {
                Phase::Absent => "not loaded".to_owned(),
                Phase::Awaited => "waiting for memory".to_owned(),
                Phase::Loading => "loading".to_owned(),
                Phase::Leaving => "unloading".to_owned(),
                Phase::Ready => status.stopped.unwrap_or_else(|| "running".to_owned()),
            },
            memory_bytes: standing.bytes,
            is_pinned: standing.is_pinned,
            waiting_for_load: standing.waiting,
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
