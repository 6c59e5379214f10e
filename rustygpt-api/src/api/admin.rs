//! `/api/admin`: other people's accounts and the settings.

use super::auth::unstored;
use super::{PathId, id_of, views};
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::{NoContent, Response};
use rustygpt_common::accounts::{
    AccountView, CodeAnswer, EndedAnswer, MemberAnswer, MemberChange, MemberRequest, Problem,
    SettingChange, SettingView,
};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_orchestrator::access::{AccountId, Role};
use rustygpt_orchestrator::accounts::{NewMember, OneTimeCode, Page};
use serde::Deserialize;

/// A part of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    #[serde(default)]
    offset: u32,
    limit: Option<u32>,
}

impl Part {
    pub(super) fn page(&self) -> Page {
        Page {
            offset: self.offset,
            limit: self.limit.unwrap_or(Page::FIRST.limit),
        }
    }
}

/// A query that was understood.
pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    let Query(value) = query.map_err(|error| {
        ApiError::new(
            ErrorCode::InvalidValue,
            format!("The query is wrong: {error}"),
        )
    })?;
    Ok(value)
}

fn code(code: &OneTimeCode) -> Response {
    let answer = CodeAnswer {
        code: code.reveal(),
    };
    unstored(Json(answer))
}

/// Lists accounts in the order of their making.
#[utoipa::path(get, path = "/api/admin/accounts", tag = "admin", operation_id = "list_accounts",
    params(("offset" = Option<u32>, Query, description = "How many to leave out."),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 without it, 1000 at most.")),
    responses((status = 200, description = "The accounts.", body = Vec<AccountView>),
        (status = 403, description = "You are no administrator.", body = Problem)))]
pub(crate) async fn list(
    desk: Desk,
    Asker(caller): Asker,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Vec<AccountView>>, ApiError> {
    let accounts = desk.accounts.list(&caller, query(part)?.page()).await?;
    Ok(Json(accounts.into_iter().map(views::account).collect()))
}

/// Makes an account for somebody.
#[utoipa::path(post, path = "/api/admin/accounts", tag = "admin", operation_id = "add_account",
    request_body = MemberRequest,
    responses((status = 200, description = "The account, and the code with which its holder sets a password.", body = MemberAnswer),
        (status = 409, description = "The address has an account.", body = Problem)))]
pub(crate) async fn add(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<MemberRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let MemberRequest {
        email,
        name,
        role,
        password,
    } = body.value;
    let member = NewMember {
        email,
        name,
        role: role.map_or(Role::User, views::role),
        password,
    };
    let (account, code) = desk.accounts.add(&caller, member, &desk.whence).await?;
    let answer = MemberAnswer {
        account: views::account(account),
        code: code.map(|code| code.reveal()),
    };
    Ok(unstored(Json(answer)))
}

/// Shows somebody's account.
#[utoipa::path(get, path = "/api/admin/accounts/{id}", tag = "admin", operation_id = "get_account_of",
    params(("id" = String, Path, description = "The account.")),
    responses((status = 200, description = "The account.", body = AccountView),
        (status = 404, description = "There is no such account.", body = Problem)))]
pub(crate) async fn show(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Json<AccountView>, ApiError> {
    let account = desk.accounts.find(&caller, AccountId(id_of(id)?)).await?;
    Ok(Json(views::account(account)))
}

/// Changes what somebody may do. What they began and may not do any more ends.
#[utoipa::path(put, path = "/api/admin/accounts/{id}", tag = "admin", operation_id = "change_account",
    params(("id" = String, Path, description = "The account.")), request_body = MemberChange,
    responses((status = 200, description = "The account.", body = AccountView),
        (status = 404, description = "There is no such account.", body = Problem),
        (status = 409, description = "The last administrator stays.", body = Problem)))]
pub(crate) async fn change(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
    body: JsonBody<MemberChange>,
) -> Result<Json<AccountView>, ApiError> {
    let (accounts, id) = (&desk.accounts, AccountId(id_of(id)?));
    let MemberChange { role, state } = body.value;
    if let Some(role) = role {
        let role = views::role(role);
        accounts
            .change_role(&caller, id, role, &desk.whence)
            .await?;
    }
    if let Some(state) = state {
        let state = views::state(state);
        accounts
            .change_state(&caller, id, state, &desk.whence)
            .await?;
    }
    Ok(Json(views::account(accounts.find(&caller, id).await?)))
}

/// Deletes somebody's account and everything that is its own.
#[utoipa::path(delete, path = "/api/admin/accounts/{id}", tag = "admin", operation_id = "delete_account_of",
    params(("id" = String, Path, description = "The account.")),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is no such account.", body = Problem),
        (status = 409, description = "The last administrator stays.", body = Problem)))]
pub(crate) async fn delete(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<NoContent, ApiError> {
    let id = AccountId(id_of(id)?);
    desk.accounts.delete(&caller, id, &desk.whence).await?;
    Ok(NoContent)
}

/// Makes a code with which somebody sets a new password.
#[utoipa::path(post, path = "/api/admin/accounts/{id}/reset", tag = "admin", operation_id = "offer_reset",
    params(("id" = String, Path, description = "The account.")),
    responses((status = 200, description = "The code; it opens for a day.", body = CodeAnswer),
        (status = 404, description = "There is no such account.", body = Problem)))]
pub(crate) async fn reset(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let id = AccountId(id_of(id)?);
    Ok(code(
        &desk.accounts.offer_reset(&caller, id, &desk.whence).await?,
    ))
}

/// Ends every sign-in of somebody.
#[utoipa::path(delete, path = "/api/admin/accounts/{id}/sign-ins", tag = "admin", operation_id = "end_sign_ins_of",
    params(("id" = String, Path, description = "The account.")),
    responses((status = 200, description = "How many were ended.", body = EndedAnswer)))]
pub(crate) async fn end_sign_ins(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Json<EndedAnswer>, ApiError> {
    let id = AccountId(id_of(id)?);
    let ended = desk
        .accounts
        .end_sign_ins_of(&caller, id, &desk.whence)
        .await?;
    Ok(Json(EndedAnswer { ended }))
}

/// Makes an invitation.
#[utoipa::path(post, path = "/api/admin/invitations", tag = "admin", operation_id = "invite",
    responses((status = 200, description = "The code; it opens for a week.", body = CodeAnswer)))]
pub(crate) async fn invite(desk: Desk, Asker(caller): Asker) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    Ok(code(&desk.accounts.invite(&caller, &desk.whence).await?))
}

/// Lists the settings: those that count while the server runs, then those that are read when it
/// starts. Secrets are hidden.
#[utoipa::path(get, path = "/api/admin/settings", tag = "admin", operation_id = "list_settings",
    responses((status = 200, description = "Each with its value and where that comes from.", body = Vec<SettingView>)))]
pub(crate) async fn settings(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<Vec<SettingView>>, ApiError> {
    let settings = desk.accounts.settings(&caller).await?;
    Ok(Json(settings.into_iter().map(views::setting).collect()))
}

fn setting_name(name: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    let Path(name) =
        name.map_err(|_| ApiError::new(ErrorCode::NotFound, "There is no such setting."))?;
    Ok(name)
}

/// Changes a setting.
#[utoipa::path(put, path = "/api/admin/settings/{name}", tag = "admin", operation_id = "change_setting",
    params(("name" = String, Path, description = "The setting.")), request_body = SettingChange,
    responses((status = 204, description = "It counts from now on."),
        (status = 400, description = "That is no value for it.", body = Problem),
        (status = 404, description = "There is no such setting.", body = Problem),
        (status = 409, description = "Somebody changed it meanwhile, or something outside the store sets it.", body = Problem)))]
pub(crate) async fn change_setting(
    desk: Desk,
    Asker(caller): Asker,
    name: Result<Path<String>, PathRejection>,
    body: JsonBody<SettingChange>,
) -> Result<NoContent, ApiError> {
    let (accounts, name) = (&desk.accounts, setting_name(name)?);
    let SettingChange { value, revision } = body.value;
    accounts
        .change_setting(&caller, &name, &value, revision, &desk.whence)
        .await?;
    Ok(NoContent)
}

/// Has a setting's default count again.
#[utoipa::path(delete, path = "/api/admin/settings/{name}", tag = "admin", operation_id = "remove_setting",
    params(("name" = String, Path, description = "The setting.")),
    responses((status = 204, description = "The default counts."),
        (status = 404, description = "There is no such setting.", body = Problem)))]
pub(crate) async fn remove_setting(
    desk: Desk,
    Asker(caller): Asker,
    name: Result<Path<String>, PathRejection>,
) -> Result<NoContent, ApiError> {
    let name = setting_name(name)?;
    desk.accounts
        .remove_setting(&caller, &name, &desk.whence)
        .await?;
    Ok(NoContent)
}
