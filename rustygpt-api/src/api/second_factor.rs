//! `/api/account/second-factor`.

use super::auth::unstored;
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use axum::response::{NoContent, Response};
use rustygpt_common::accounts::{
    Confirmation, Problem, RecoveryCodesAnswer, SecondFactorOfferAnswer, SecondFactorRequest,
};
use rustygpt_orchestrator::accounts::Password;

/// Offers a secret for an app that computes codes.
#[utoipa::path(post, path = "/api/account/second-factor/offer", tag = "account",
    operation_id = "offer_second_factor",
    responses((status = 200, description = "Show it to the app.", body = SecondFactorOfferAnswer)))]
pub(crate) async fn offer(desk: Desk, Asker(caller): Asker) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let offer = desk.accounts.offer_second_factor(&caller).await?;
    let answer = SecondFactorOfferAnswer {
        uri: offer.uri,
        secret: offer.secret,
        offer: offer.offer,
    };
    Ok(unstored(Json(answer)))
}

/// Sets the second factor, proved by the app's first code.
#[utoipa::path(put, path = "/api/account/second-factor", tag = "account",
    operation_id = "set_second_factor", request_body = SecondFactorRequest,
    responses((status = 200, description = "Keep these codes.", body = RecoveryCodesAnswer),
        (status = 400, description = "A wrong password, offer or code.", body = Problem)))]
pub(crate) async fn set(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<SecondFactorRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let SecondFactorRequest {
        password,
        offer,
        code,
    } = body.value;
    let (accounts, password) = (&desk.accounts, Password::presented(password));
    let codes = accounts.set_second_factor(&caller, password, &offer, &code, &desk.whence);
    let recovery_codes = codes.await?.recovery_codes;
    Ok(unstored(Json(RecoveryCodesAnswer { recovery_codes })))
}

/// Takes the second factor away.
#[utoipa::path(post, path = "/api/account/second-factor/remove", tag = "account",
    operation_id = "remove_second_factor", request_body = Confirmation,
    responses((status = 204, description = "It is gone."),
        (status = 400, description = "The password is not right.", body = Problem)))]
pub(crate) async fn remove(
    desk: Desk,
    Asker(caller): Asker,
    body: JsonBody<Confirmation>,
) -> Result<NoContent, ApiError> {
    desk.require_privacy()?;
    let password = Password::presented(body.value.password);
    desk.accounts
        .remove_second_factor(&caller, password, &desk.whence)
        .await?;
    Ok(NoContent)
}
