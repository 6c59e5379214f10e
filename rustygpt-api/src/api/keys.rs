//! API keys: one's own under `/api/account/keys`, everybody's under `/api/admin`.

use super::auth::unstored;
use super::{PathId, id_of, views};
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use axum::response::{NoContent, Response};
use rustygpt_common::accounts::{KeyRequest, KeyView, NewKeyAnswer, Problem};
use rustygpt_orchestrator::access::AccountId;
use rustygpt_orchestrator::accounts::{ApiKeyId, ShownKey};

fn shown(key: ShownKey) -> Response {
    unstored(Json(views::new_key(key)))
}

/// Lists one's keys, latest first.
#[utoipa::path(get, path = "/api/account/keys", tag = "account", operation_id = "list_keys",
    responses((status = 200, description = "Your keys.", body = Vec<KeyView>)))]
pub(crate) async fn list(desk: Desk, Asker(caller): Asker) -> Result<Json<Vec<KeyView>>, ApiError> {
    let keys = desk.accounts.keys(&caller).await?;
    Ok(Json(keys.into_iter().map(views::key).collect()))
}

/// Makes a key.
#[utoipa::path(post, path = "/api/account/keys", tag = "account", operation_id = "create_key",
    request_body = KeyRequest,
    responses((status = 200, description = "The key, shown this once.", body = NewKeyAnswer),
        (status = 403, description = "A key cannot make another.", body = Problem)))]
pub(crate) async fn create(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<KeyRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let wish = views::wish(body.value);
    Ok(shown(
        desk.accounts
            .create_key(&caller, wish, &desk.whence)
            .await?,
    ))
}

/// Revokes one of one's keys.
#[utoipa::path(delete, path = "/api/account/keys/{id}", tag = "account", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key.")),
    responses((status = 204, description = "It opens no more."),
        (status = 404, description = "You have no such key.", body = Problem)))]
pub(crate) async fn revoke(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<NoContent, ApiError> {
    let id = ApiKeyId(id_of(id)?);
    desk.accounts.revoke_key(&caller, id, &desk.whence).await?;
    Ok(NoContent)
}

/// Lists somebody's keys.
#[utoipa::path(get, path = "/api/admin/accounts/{id}/keys", tag = "admin", operation_id = "list_keys_of",
    params(("id" = String, Path, description = "The account.")),
    responses((status = 200, description = "Their keys.", body = Vec<KeyView>)))]
pub(crate) async fn list_of(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Json<Vec<KeyView>>, ApiError> {
    let keys = desk
        .accounts
        .keys_of(&caller, AccountId(id_of(id)?))
        .await?;
    Ok(Json(keys.into_iter().map(views::key).collect()))
}

/// Makes a key for somebody.
#[utoipa::path(post, path = "/api/admin/accounts/{id}/keys", tag = "admin", operation_id = "create_key_for",
    params(("id" = String, Path, description = "The account.")), request_body = KeyRequest,
    responses((status = 200, description = "The key, shown this once.", body = NewKeyAnswer),
        (status = 404, description = "There is no such account.", body = Problem)))]
pub(crate) async fn create_for(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
    body: JsonBody<KeyRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let (accounts, account) = (&desk.accounts, AccountId(id_of(id)?));
    let wish = views::wish(body.value);
    Ok(shown(
        accounts
            .create_key_for(&caller, account, wish, &desk.whence)
            .await?,
    ))
}

/// Revokes anybody's key.
#[utoipa::path(delete, path = "/api/admin/keys/{id}", tag = "admin", operation_id = "revoke_any_key",
    params(("id" = String, Path, description = "The key.")),
    responses((status = 204, description = "It opens no more."),
        (status = 404, description = "There is no such key.", body = Problem)))]
pub(crate) async fn revoke_any(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<NoContent, ApiError> {
    let id = ApiKeyId(id_of(id)?);
    desk.accounts
        .revoke_any_key(&caller, id, &desk.whence)
        .await?;
    Ok(NoContent)
}
