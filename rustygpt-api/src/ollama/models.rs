//! `/api/version`, `/api/tags`, `/api/show` and `/api/ps`.

use super::{VERSION, known_name, timestamp};
use crate::caller::Asker;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use rustygpt_common::ollama::{
    Details, ErrorResponse, ListedModel, ModelDetails, ModelList, RunningList, RunningModel,
    ShowRequest, Version,
};
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};
use rustygpt_orchestrator::models::{About, Capability};
use rustygpt_orchestrator::tokens::fills_in_middle;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// When models leave: the owner says it, not the client, so that no time is near.
const FAR_AWAY: &str = "9999-12-31T23:59:59Z";

/// Tells which version of Ollama's dialect is spoken.
#[utoipa::path(get, path = "/api/version", tag = "ollama", operation_id = "ollama_version",
    responses(
        (status = 200, description = "The version.", body = Version),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
    ))]
pub(crate) async fn version(Asker(caller): Asker) -> Result<Json<Version>, ApiError> {
    authorize(&caller, Action::View, Thing::Models).map_err(UseCaseError::from)?;
    Ok(Json(Version {
        version: VERSION.to_owned(),
    }))
}

/// Lists the models and their aliases, sorted, whether they are in memory or not.
#[utoipa::path(get, path = "/api/tags", tag = "ollama", operation_id = "ollama_tags",
    responses(
        (status = 200, description = "The models.", body = ModelList),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
    ))]
pub(crate) async fn tags(
    State(state): State<ApiState>,
    Asker(caller): Asker,
) -> Result<Json<ModelList>, ApiError> {
    let listed = state.models.list(&caller)?;
    let size = |id: &str| {
        let mut all = state.models.overview();
        let found = all.find(|overview| overview.about.id == id);
        found.map_or(0, |overview| overview.standing.bytes)
    };
    let models = listed.into_iter().map(|listed| ListedModel {
        model: listed.name.clone(),
        name: listed.name,
        modified_at: timestamp(listed.about.created),
        size: size(&listed.about.id),
        digest: listed.about.digest(),
        details: details(&listed.about),
    });
    Ok(Json(ModelList {
        models: models.collect(),
    }))
}

/// Lists the models that are in memory.
#[utoipa::path(get, path = "/api/ps", tag = "ollama", operation_id = "ollama_ps",
    responses(
        (status = 200, description = "The models in memory.", body = RunningList),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
    ))]
pub(crate) async fn ps(
    State(state): State<ApiState>,
    Asker(caller): Asker,
) -> Result<Json<RunningList>, ApiError> {
    let visible = state.models.list(&caller)?;
    let visible: BTreeSet<&str> = visible
        .iter()
        .map(|listed| listed.about.id.as_str())
        .collect();
    let running = state.models.overview().filter_map(|overview| {
        let model = overview.model?;
        let about = overview.about;
        visible.contains(about.id.as_str()).then(|| RunningModel {
            name: about.id.clone(),
            model: about.id.clone(),
            size: overview.standing.bytes,
            digest: about.digest(),
            details: details(about),
            expires_at: FAR_AWAY.to_owned(),
            size_vram: 0,
            context_length: model.description().context_length,
        })
    });
    Ok(Json(RunningList {
        models: running.collect(),
    }))
}

/// Describes one model.
#[utoipa::path(post, path = "/api/show", tag = "ollama", operation_id = "ollama_show",
    request_body(content = ShowRequest, example = json!({"model": "qwen"})),
    responses(
        (status = 200, description = "The model.", body = ModelDetails),
        (status = 400, description = "The request is not as it must be.", body = ErrorResponse),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
    ))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Asker(caller): Asker,
    body: JsonBody<ShowRequest>,
) -> Result<Json<ModelDetails>, ApiError> {
    let name = known_name(&state, &caller, body.value.model);
    let about = state.models.view(&caller, &name)?;
    let loaded = state.models.loaded();
    let loaded = loaded
        .iter()
        .find(|model| model.description().id == about.id);
    let mut capabilities = match about.capability {
        Capability::Language => vec!["completion", "tools"],
        Capability::Embedding => vec!["embedding"],
    };
    // Only a model that was read tells it.
    if loaded.is_some_and(fills_in_middle) {
        capabilities.push("insert");
    }
    Ok(Json(ModelDetails {
        modelfile: String::new(),
        parameters: String::new(),
        template: String::new(),
        details: details(&about),
        model_info: information(&about),
        capabilities: capabilities.into_iter().map(str::to_owned).collect(),
        modified_at: timestamp(about.created),
    }))
}

fn information(about: &About) -> Map<String, Value> {
    let architecture = &about.architecture;
    let mut facts = Map::new();
    let mut add = |name: &str, value: Value| facts.insert(name.to_owned(), value);
    add("general.architecture", architecture.clone().into());
    add("general.basename", about.id.clone().into());
    add("general.parameter_count", about.parameters.into());
    if let Some(length) = about.context_length {
        add(&format!("{architecture}.context_length"), length.into());
    }
    facts
}

fn details(about: &About) -> Details {
    Details {
        parent_model: String::new(),
        format: "gguf".to_owned(),
        family: about.architecture.clone(),
        families: vec![about.architecture.clone()],
        parameter_size: parameter_size(about.parameters),
        quantization_level: about.quantization.clone(),
    }
}

/// A number of weights for people: `7.6B`, `494.0M`.
fn parameter_size(parameters: u64) -> String {
    let (unit, name) = match parameters {
        0..1_000_000 => (1e3, "K"),
        1_000_000..1_000_000_000 => (1e6, "M"),
        _ => (1e9, "B"),
    };
    format!("{:.1}{name}", parameters as f64 / unit)
}
