//! Every route of the server, on one page.

use crate::error::ApiError;
use crate::state::ApiState;
use crate::{anthropic, api, docs, health, metrics, middleware, ollama, openapi, status, v1};
use axum::Router;
use axum::routing::{MethodRouter, delete, get, post, put};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes;

/// A path as axum writes it, and what answers its methods.
type Route = (&'static str, MethodRouter<ApiState>);

/// Every route.
fn table() -> impl Iterator<Item = Route> {
    openai_and_server()
        .into_iter()
        .chain(other_dialects())
        .chain(entrances_and_own_account())
        .chain(administration())
}

fn openai_and_server() -> [Route; 16] {
    [
        (routes::CHAT_COMPLETIONS, post(v1::chat_completions::create)),
        (routes::COMPLETIONS, post(v1::completions::create)),
        (routes::EMBEDDINGS, post(v1::embeddings::create)),
        (routes::MODERATIONS, post(v1::moderations::create)),
        (routes::TOKENIZE, post(v1::tokens::tokenize)),
        (routes::DETOKENIZE, post(v1::tokens::detokenize)),
        (routes::APPLY_TEMPLATE, post(v1::tokens::apply_template)),
        (routes::MODELS, get(v1::models::list)),
        // Ids may contain slashes.
        ("/v1/models/{*id}", get(v1::models::retrieve)),
        (routes::HEALTH, get(health::alive)),
        (routes::READY, get(health::ready)),
        (routes::STATUS, get(status::show)),
        (routes::METRICS, get(metrics::show)),
        (routes::OPENAPI, get(openapi::show)),
        (routes::DOCS, get(docs::show)),
        ("/docs/{file}", get(docs::file)),
    ]
}

fn other_dialects() -> [Route; 10] {
    use ollama::{chat, embed, generate, models};
    use routes::ollama as paths;
    [
        (routes::MESSAGES, post(anthropic::create)),
        (routes::COUNT_TOKENS, post(anthropic::count_tokens)),
        (paths::VERSION, get(models::version)),
        (paths::TAGS, get(models::tags)),
        (paths::SHOW, post(models::show)),
        (paths::PS, get(models::ps)),
        (paths::CHAT, post(chat::create)),
        (paths::GENERATE, post(generate::create)),
        (paths::EMBED, post(embed::embed)),
        (paths::EMBEDDINGS, post(embed::embeddings)),
    ]
}

fn entrances_and_own_account() -> [Route; 25] {
    use api::{account, auth, elsewhere, identities, keys, second_factor, sign_ins};
    use routes::entrance;
    [
        (entrance::OWNER, post(auth::owner)),
        (entrance::SIGN_UP, post(auth::sign_up)),
        (entrance::SIGN_IN, post(auth::sign_in)),
        (entrance::ENTER, post(auth::enter)),
        (entrance::REFRESH, post(auth::refresh)),
        (entrance::RESET, post(auth::reset)),
        ("/api/auth/sign-out", post(auth::sign_out)),
        (routes::elsewhere::ISSUERS, get(elsewhere::issuers)),
        ("/api/auth/with/{issuer}", get(elsewhere::begin)),
        (
            "/api/auth/with/{issuer}/return",
            get(elsewhere::come_back).post(elsewhere::come_back_by_form),
        ),
        (entrance::FINISH, post(elsewhere::finish)),
        (
            "/api/account/identities",
            get(identities::list).post(identities::link),
        ),
        ("/api/account/identities/{id}", delete(identities::unlink)),
        ("/api/account", get(account::show).put(account::rename)),
        ("/api/account/delete", post(account::delete)),
        ("/api/account/export", get(account::export)),
        ("/api/account/usage", get(account::usage)),
        ("/api/account/password", post(account::change_password)),
        ("/api/account/second-factor", put(second_factor::set)),
        (
            "/api/account/second-factor/offer",
            post(second_factor::offer),
        ),
        (
            "/api/account/second-factor/remove",
            post(second_factor::remove),
        ),
        (
            "/api/account/sign-ins",
            get(sign_ins::list).delete(sign_ins::end_others),
        ),
        ("/api/account/sign-ins/{id}", delete(sign_ins::end)),
        ("/api/account/keys", get(keys::list).post(keys::create)),
        ("/api/account/keys/{id}", delete(keys::revoke)),
    ]
}

fn administration() -> [Route; 17] {
    use api::{admin, audit, keys, tasks, usage};
    let member = get(admin::show).put(admin::change).delete(admin::delete);
    let setting = put(admin::change_setting).delete(admin::remove_setting);
    [
        ("/api/admin/accounts", get(admin::list).post(admin::add)),
        ("/api/admin/accounts/{id}", member),
        ("/api/admin/accounts/{id}/reset", post(admin::reset)),
        (
            "/api/admin/accounts/{id}/sign-ins",
            delete(admin::end_sign_ins),
        ),
        (
            "/api/admin/accounts/{id}/keys",
            get(keys::list_of).post(keys::create_for),
        ),
        ("/api/admin/keys/{id}", delete(keys::revoke_any)),
        ("/api/admin/invitations", post(admin::invite)),
        ("/api/admin/settings", get(admin::settings)),
        ("/api/admin/settings/{name}", setting),
        ("/api/admin/usage", get(usage::list)),
        ("/api/admin/audit", get(audit::list)),
        (
            "/api/admin/audit/exports",
            get(audit::list_files).post(audit::export),
        ),
        ("/api/admin/audit/exports/{name}", get(audit::download)),
        ("/api/admin/tasks", get(tasks::list)),
        ("/api/admin/tasks/{id}", get(tasks::show)),
        ("/api/admin/tasks/{id}/retry", post(tasks::retry)),
        ("/api/admin/tasks/{id}/cancel", post(tasks::cancel)),
    ]
}

/// The paths of all routes, as the OpenAPI document writes them.
pub fn paths() -> impl Iterator<Item = String> {
    table().map(|(path, _)| path.replace("{*", "{"))
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
