//! The one OpenAPI document.

use crate::caller::Asker;
use crate::cookies;
use crate::error::ApiError;
use crate::{anthropic, api, docs, health, metrics, ollama, status, v1};
use axum::Json;
use rustygpt_common::accounts::Problem;
use rustygpt_common::anthropic::StreamEvent;
use rustygpt_common::openai::{ChatCompletionChunk, ErrorEnvelope};
use rustygpt_common::routes::Dialect;
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "RustyGPT",
        description = "A private server for language models that speaks the OpenAI API, and the dialects of \
            Anthropic and Ollama."
    ),
    paths(
        v1::chat_completions::create,
        v1::completions::create,
        v1::embeddings::create,
        v1::moderations::create,
        v1::tokens::tokenize,
        v1::tokens::detokenize,
        v1::tokens::apply_template,
        anthropic::create,
        anthropic::count_tokens,
        ollama::models::version,
        ollama::models::tags,
        ollama::models::show,
        ollama::models::ps,
        ollama::chat::create,
        ollama::generate::create,
        ollama::embed::embed,
        ollama::embed::embeddings,
        v1::models::list,
        v1::models::retrieve,
        health::alive,
        health::ready,
        status::show,
        metrics::show,
        show,
        docs::show,
        docs::file,
        api::auth::owner,
        api::auth::sign_up,
        api::auth::sign_in,
        api::auth::enter,
        api::auth::refresh,
        api::auth::reset,
        api::auth::sign_out,
        api::elsewhere::issuers,
        api::elsewhere::begin,
        api::elsewhere::come_back,
        api::elsewhere::come_back_by_form,
        api::elsewhere::finish,
        api::identities::list,
        api::identities::link,
        api::identities::unlink,
        api::account::show,
        api::account::rename,
        api::account::delete,
        api::account::export,
        api::account::usage,
        api::account::change_password,
        api::second_factor::offer,
        api::second_factor::set,
        api::second_factor::remove,
        api::sign_ins::list,
        api::sign_ins::end_others,
        api::sign_ins::end,
        api::keys::list,
        api::keys::create,
        api::keys::revoke,
        api::keys::list_of,
        api::keys::create_for,
        api::keys::revoke_any,
        api::admin::list,
        api::admin::add,
        api::admin::show,
        api::admin::change,
        api::admin::delete,
        api::admin::reset,
        api::admin::end_sign_ins,
        api::admin::invite,
        api::admin::settings,
        api::admin::change_setting,
        api::admin::remove_setting,
        api::usage::list,
        api::audit::list,
        api::audit::list_files,
        api::audit::export,
        api::audit::download,
        api::tasks::list,
        api::tasks::show,
        api::tasks::retry,
        api::tasks::cancel,
    ),
    components(schemas(ChatCompletionChunk, Problem, StreamEvent)),
    modifiers(&Credentials, &OtherErrors),
    security(("key" = []), ("token" = []), ("cookie" = [], "proof" = [])),
    tags(
        (name = "inference", description = "The OpenAI API."),
        (name = "anthropic", description = "Anthropic's dialect."),
        (name = "ollama", description = "Ollama's dialect."),
        (name = "auth", description = "Ways in and out."),
        (name = "account", description = "One's own account."),
        (name = "admin", description = "Other people's accounts, and the server's rules."),
        (name = "server", description = "The server itself."),
    )
)]
struct Document;

/// What a request can prove itself with: a key, an access token, or a cookie that holds one
/// together with its proof.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let components = document.components.get_or_insert_default();
        let key = SecurityScheme::Http(bearer().build());
        let token = SecurityScheme::Http(bearer().bearer_format("JWT").build());
        let cookie = ApiKey::Cookie(ApiKeyValue::new(cookies::ACCESS));
        let proof = ApiKey::Header(ApiKeyValue::new("x-rustygpt-proof"));
        components.add_security_scheme("key", key);
        components.add_security_scheme("token", token);
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
        components.add_security_scheme("proof", SecurityScheme::ApiKey(proof));
    }
}

/// What the middleware may answer on any route: a wrong host or origin, headers too large, a
/// failure.
struct OtherErrors;

impl Modify for OtherErrors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let (schema, kind) = match Dialect::of(path) {
                Dialect::Own => ("Problem", "application/problem+json"),
                Dialect::OpenAi => ("ErrorEnvelope", "application/json"),
                Dialect::Anthropic => ("AnthropicError", "application/json"),
                Dialect::Ollama => ("OllamaError", "application/json"),
            };
            for operation in [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.delete,
            ]
            .into_iter()
            .flatten()
            {
                add_default_error(operation, schema, kind);
            }
        }
    }
}

fn add_default_error(operation: &mut Operation, schema: &str, kind: &str) {
    let envelope = Ref::from_schema_name(schema);
    let response = ResponseBuilder::new()
        .description("The request was refused or failed.")
        .content(kind, ContentBuilder::new().schema(Some(envelope)).build())
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
