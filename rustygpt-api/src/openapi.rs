//! The one OpenAPI document.

use crate::caller::Asker;
use crate::error::ApiError;
use crate::{health, metrics, status, v1};
use axum::Json;
use rustygpt_common::openai::{ChatCompletionChunk, ErrorEnvelope};
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "RustyGPT",
        description = "A private server for language models that speaks the OpenAI API."
    ),
    paths(
        v1::chat_completions::create,
        v1::embeddings::create,
        v1::models::list,
        v1::models::retrieve,
        health::alive,
        health::ready,
        status::show,
        metrics::show,
        show,
    ),
    components(schemas(ChatCompletionChunk)),
    modifiers(&BearerKey, &OtherErrors),
    security(("key" = [])),
    tags(
        (name = "inference", description = "The OpenAI API."),
        (name = "server", description = "The server itself."),
    )
)]
struct Document;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// What the middleware may answer on any route: a wrong host or origin, headers too large, a
/// failure.
struct OtherErrors;

impl Modify for OtherErrors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post, &mut item.delete]
                .into_iter()
                .flatten()
            {
                add_default_error(operation);
            }
        }
    }
}

fn add_default_error(operation: &mut Operation) {
    let envelope = Ref::from_schema_name("ErrorEnvelope");
    let response = ResponseBuilder::new()
        .description("The request was refused or failed.")
        .content(
            "application/json",
            ContentBuilder::new().schema(Some(envelope)).build(),
        )
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), RefOr::T(response));
}

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Shows this document.
#[utoipa::path(get, path = "/openapi.json", tag = "server", operation_id = "get_openapi",
    responses(
        (status = 200, description = "This document.", body = serde_json::Value),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
    ))]
pub(crate) async fn show(Asker(caller): Asker) -> Result<Json<utoipa::openapi::OpenApi>, ApiError> {
    authorize(&caller, Action::View, Thing::Status).map_err(UseCaseError::from)?;
    Ok(Json(document()))
}
