//! `/api/account/sign-ins`.

use super::{PathId, id_of, views};
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use axum::Json;
use axum::response::NoContent;
use rustygpt_common::accounts::{EndedAnswer, Problem, SignInView};
use rustygpt_orchestrator::accounts::SessionId;

/// Lists one's sign-ins, latest first.
#[utoipa::path(get, path = "/api/account/sign-ins", tag = "account", operation_id = "list_sign_ins",
    responses((status = 200, description = "Your sign-ins.", body = Vec<SignInView>)))]
pub(crate) async fn list(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<Vec<SignInView>>, ApiError> {
    let sessions = desk.accounts.sign_ins(&caller).await?.into_iter();
    let this_one = desk.session;
    Ok(Json(
        sessions
            .map(|session| views::sign_in(session, this_one))
            .collect(),
    ))
}

/// Ends all of one's sign-ins but this one.
#[utoipa::path(delete, path = "/api/account/sign-ins", tag = "account", operation_id = "end_other_sign_ins",
    responses((status = 200, description = "How many were ended.", body = EndedAnswer)))]
pub(crate) async fn end_others(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<EndedAnswer>, ApiError> {
    let (accounts, keep) = (&desk.accounts, desk.session);
    let ended = accounts
        .end_other_sign_ins(&caller, keep, &desk.whence)
        .await?;
    Ok(Json(EndedAnswer { ended }))
}

/// Ends one of one's sign-ins.
#[utoipa::path(delete, path = "/api/account/sign-ins/{id}", tag = "account", operation_id = "end_sign_in",
    params(("id" = String, Path, description = "The sign-in.")),
    responses((status = 204, description = "It is ended."),
        (status = 404, description = "You have no such sign-in.", body = Problem)))]
pub(crate) async fn end(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<NoContent, ApiError> {
    let id = SessionId(id_of(id)?);
    desk.accounts.end_sign_in(&caller, id, &desk.whence).await?;
    Ok(NoContent)
}
