//! `/api/auth`: ways in and out.

use super::views;
use crate::caller::{Asker, Desk};
use crate::cookies;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::middleware::proof;
use axum::Json;
use axum::response::{AppendHeaders, IntoResponse, NoContent, Response};
use http::{HeaderMap, header};
use rustygpt_common::accounts::{
    EnterRequest, OwnerRequest, Problem, ResetRequest, SignInRequest, SignUpRequest, SignedInAnswer,
};
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::accounts::{Applicant, Password, SignedIn};

/// Somebody is in: the answer, and the cookies beside it.
pub(super) fn let_in(signed_in: SignedIn) -> Result<Response, ApiError> {
    let cookies = cookies::given(&signed_in)?.map(|value| (header::SET_COOKIE, value));
    let answer = (AppendHeaders(cookies), Json(views::signed_in(signed_in)));
    Ok(unstored(answer))
}

/// An answer that holds secrets: nobody in between keeps it.
pub(super) fn unstored(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let value = http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// Makes the first administrator of who has the code that the server printed.
#[utoipa::path(post, path = "/api/auth/owner", tag = "auth", operation_id = "become_owner", security(()),
    request_body = OwnerRequest,
    responses((status = 200, description = "You are in.", body = SignedInAnswer),
        (status = 400, description = "A wrong code, address or password.", body = Problem),
        (status = 409, description = "There is an owner.", body = Problem)))]
pub(crate) async fn owner(desk: Desk, body: JsonBody<OwnerRequest>) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let OwnerRequest {
        code,
        email,
        password,
        name,
    } = body.value;
    let applicant = Applicant {
        email,
        password,
        name,
    };
    let_in(
        desk.accounts
            .become_owner(&code, applicant, &desk.whence)
            .await?,
    )
}

/// Makes an account for oneself, where the policy allows it.
#[utoipa::path(post, path = "/api/auth/sign-up", tag = "auth", operation_id = "sign_up", security(()),
    request_body = SignUpRequest,
    responses((status = 200, description = "You are in.", body = SignedInAnswer),
        (status = 400, description = "A wrong address, password or invitation.", body = Problem),
        (status = 403, description = "Sign-up is closed.", body = Problem),
        (status = 409, description = "The address has an account.", body = Problem)))]
pub(crate) async fn sign_up(
    desk: Desk,
    body: JsonBody<SignUpRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let SignUpRequest {
        email,
        password,
        name,
        invitation,
    } = body.value;
    let applicant = Applicant {
        email,
        password,
        name,
    };
    let invitation = invitation.as_deref();
    let_in(
        desk.accounts
            .sign_up(applicant, invitation, &desk.whence)
            .await?,
    )
}

/// Lets in by password.
#[utoipa::path(post, path = "/api/auth/sign-in", tag = "auth", operation_id = "sign_in", security(()),
    request_body = SignInRequest,
    responses((status = 200, description = "You are in.", body = SignedInAnswer),
        (status = 401, description = "Something is not right, or the second factor is missing.", body = Problem),
        (status = 429, description = "Too many attempts.", body = Problem)))]
pub(crate) async fn sign_in(
    desk: Desk,
    body: JsonBody<SignInRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let SignInRequest {
        email,
        password,
        code,
    } = body.value;
    let password = Password::presented(password);
    let signed_in = desk
        .accounts
        .sign_in(&email, password, code.as_deref(), &desk.whence);
    let_in(signed_in.await?)
}

/// Lets in by the code that `rustygpt open` made.
#[utoipa::path(post, path = "/api/auth/enter", tag = "auth", operation_id = "enter", security(()),
    request_body = EnterRequest,
    responses((status = 200, description = "You are in.", body = SignedInAnswer),
        (status = 401, description = "The code opens nothing, or not any more.", body = Problem)))]
pub(crate) async fn enter(desk: Desk, body: JsonBody<EnterRequest>) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let_in(
        desk.accounts
            .enter_by_code(&body.value.code, &desk.whence)
            .await?,
    )
}

/// Exchanges the refresh token of the cookie for new tokens.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", operation_id = "refresh", security(()),
    responses((status = 200, description = "You are still in.", body = SignedInAnswer),
        (status = 401, description = "You are signed out.", body = Problem),
        (status = 409, description = "Another request was first.", body = Problem)))]
pub(crate) async fn refresh(desk: Desk, headers: HeaderMap) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let token = cookies::read(&headers, cookies::REFRESH).ok_or(UseCaseError::SignedOut)?;
    let proof = proof(&headers).ok_or(UseCaseError::SignedOut)?;
    let_in(desk.accounts.refresh(token, proof, &desk.whence).await?)
}

/// Sets a new password by a code from an administrator, and ends every sign-in.
#[utoipa::path(post, path = "/api/auth/reset", tag = "auth", operation_id = "reset_password", security(()),
    request_body = ResetRequest,
    responses((status = 204, description = "Sign in with it."),
        (status = 400, description = "A wrong code or a weak password.", body = Problem)))]
pub(crate) async fn reset(desk: Desk, body: JsonBody<ResetRequest>) -> Result<NoContent, ApiError> {
    desk.require_privacy()?;
    let ResetRequest { code, new_password } = body.value;
    desk.accounts
        .reset_password(&code, new_password, &desk.whence)
        .await?;
    Ok(NoContent)
}

/// Ends the sign-in that this request comes with.
#[utoipa::path(post, path = "/api/auth/sign-out", tag = "auth", operation_id = "sign_out",
    responses((status = 204, description = "You are out."),
        (status = 401, description = "You were not in.", body = Problem),
        (status = 403, description = "A key has no sign-in.", body = Problem)))]
pub(crate) async fn sign_out(desk: Desk, Asker(caller): Asker) -> Result<Response, ApiError> {
    desk.accounts
        .sign_out(&caller, desk.session, &desk.whence)
        .await?;
    let cookies = cookies::taken()?.map(|value| (header::SET_COOKIE, value));
    Ok((AppendHeaders(cookies), NoContent).into_response())
}
