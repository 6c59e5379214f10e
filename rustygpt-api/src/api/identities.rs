//! `/api/account/identities`: who one is elsewhere.

use super::auth::unstored;
use super::{PathId, elsewhere, id_of, views};
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use axum::response::{AppendHeaders, NoContent, Response};
use http::header;
use rustygpt_common::accounts::{IdentityView, LinkAnswer, LinkRequest, Problem};

/// Lists who one is elsewhere.
#[utoipa::path(get, path = "/api/account/identities", tag = "account", operation_id = "list_identities",
    responses((status = 200, description = "In the order they were linked.", body = Vec<IdentityView>)))]
pub(crate) async fn list(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<Vec<IdentityView>>, ApiError> {
    let identities = desk.accounts.own_identities(&caller).await?.into_iter();
    Ok(Json(identities.map(views::identity).collect()))
}

/// Begins to link who one is elsewhere.
#[utoipa::path(post, path = "/api/account/identities", tag = "account", operation_id = "link_identity",
    request_body = LinkRequest,
    responses((status = 200, description = "Open this page in this browser.", body = LinkAnswer),
        (status = 404, description = "There is no such issuer.", body = Problem),
        (status = 502, description = "It does not answer as it should.", body = Problem)))]
pub(crate) async fn link(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<LinkRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let issuer = &body.value.issuer;
    let departure = desk
        .accounts
        .begin_link(&caller, desk.session, issuer, &desk.whence)
        .await?;
    let cookie = (header::SET_COOKIE, elsewhere::departing(&departure)?);
    let location = departure.location;
    Ok(unstored((
        AppendHeaders([cookie]),
        Json(LinkAnswer { location }),
    )))
}

/// Unlinks who one is elsewhere.
#[utoipa::path(delete, path = "/api/account/identities/{id}", tag = "account",
    operation_id = "unlink_identity", params(("id" = String, Path, description = "The identity.")),
    responses((status = 204, description = "It opens your account no more."),
        (status = 404, description = "You have no such identity.", body = Problem),
        (status = 409, description = "It is your last way in.", body = Problem)))]
pub(crate) async fn unlink(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<NoContent, ApiError> {
    desk.accounts
        .unlink(&caller, id_of(id)?, &desk.whence)
        .await?;
    Ok(NoContent)
}
