//! `/api/account`: one's own account.

use super::views;
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use axum::response::NoContent;
use rustygpt_common::accounts::{
    AccountView, Confirmation, ExportAnswer, PasswordRequest, Problem, ProfileRequest, UsageView,
};
use rustygpt_orchestrator::accounts::{Password, Timestamp};

/// Shows one's account.
#[utoipa::path(get, path = "/api/account", tag = "account", operation_id = "get_account",
    responses((status = 200, description = "Your account.", body = AccountView),
        (status = 404, description = "The local key has no account.", body = Problem)))]
pub(crate) async fn show(desk: Desk, Asker(caller): Asker) -> Result<Json<AccountView>, ApiError> {
    Ok(Json(views::account(desk.accounts.own(&caller).await?)))
}

/// Changes what one is called.
#[utoipa::path(put, path = "/api/account", tag = "account", operation_id = "rename_account",
    request_body = ProfileRequest,
    responses((status = 200, description = "Your account.", body = AccountView),
        (status = 403, description = "Read-only accounts change nothing.", body = Problem)))]
pub(crate) async fn rename(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<ProfileRequest>,
) -> Result<Json<AccountView>, ApiError> {
    let account = desk
        .accounts
        .rename(&caller, &body.value.name, &desk.whence)
        .await?;
    Ok(Json(views::account(account)))
}

/// Deletes one's account and everything that is its own.
#[utoipa::path(post, path = "/api/account/delete", tag = "account", operation_id = "delete_account",
    request_body = Confirmation,
    responses((status = 204, description = "It is gone."),
        (status = 400, description = "The password is not right.", body = Problem),
        (status = 409, description = "The last administrator stays.", body = Problem)))]
pub(crate) async fn delete(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<Confirmation>,
) -> Result<NoContent, ApiError> {
    desk.require_privacy()?;
    let password = Password::presented(body.value.password);
    desk.accounts
        .delete_own(&caller, password, &desk.whence)
        .await?;
    Ok(NoContent)
}

/// Everything that is kept of one's account.
#[utoipa::path(get, path = "/api/account/export", tag = "account", operation_id = "export_account",
    responses((status = 200, description = "Everything, without secrets.", body = ExportAnswer),
        (status = 403, description = "A key cannot.", body = Problem)))]
pub(crate) async fn export(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<ExportAnswer>, ApiError> {
    let export = desk.accounts.export(&caller, &desk.whence).await?;
    Ok(Json(views::export(export, desk.session)))
}

/// What one used, by day, key and model.
#[utoipa::path(get, path = "/api/account/usage", tag = "account", operation_id = "get_usage",
    responses((status = 200, description = "Earliest first.", body = Vec<UsageView>)))]
pub(crate) async fn usage(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<Vec<UsageView>>, ApiError> {
    let days = desk.accounts.own_usage(&caller, Timestamp(0)).await?;
    Ok(Json(days.into_iter().map(views::usage).collect()))
}

/// Changes one's password, and ends every other sign-in.
#[utoipa::path(post, path = "/api/account/password", tag = "account", operation_id = "change_password",
    request_body = PasswordRequest,
    responses((status = 204, description = "It is changed."),
        (status = 400, description = "A wrong or a weak password.", body = Problem)))]
pub(crate) async fn change_password(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<PasswordRequest>,
) -> Result<NoContent, ApiError> {
    desk.require_privacy()?;
    let PasswordRequest {
        password,
        new_password,
    } = body.value;
    let (accounts, current) = (&desk.accounts, Password::presented(password));
    accounts
        .change_password(&caller, desk.session, current, new_password, &desk.whence)
        .await?;
    Ok(NoContent)
}
