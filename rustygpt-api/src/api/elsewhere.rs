//! `/api/auth/with`: signing in by an issuer.

use super::auth::{let_in, unstored};
use crate::caller::Desk;
use crate::cookies;
use crate::error::{self, ApiError};
use crate::json_body::{self, JsonBody};
use crate::state::ApiState;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, header};
use rustygpt_common::accounts::{FinishRequest, IssuerView, Problem, SignedInAnswer};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes::elsewhere;
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::accounts::{Answer, Arrival, Departure, Returning};
use serde::Deserialize;

/// A posted return is a few texts.
const LONGEST_FORM: usize = 64 << 10;

/// The issuer that a path names.
pub(super) type Issuer = Result<Path<String>, PathRejection>;

fn id_of(issuer: Issuer) -> Result<String, ApiError> {
    match issuer {
        Ok(Path(id)) => Ok(id),
        Err(_) => Err(UseCaseError::NotFound("issuer").into()),
    }
}

/// Lists the issuers one may sign in by.
#[utoipa::path(get, path = "/api/auth/issuers", tag = "auth", operation_id = "list_issuers", security(()),
    responses((status = 200, description = "In the order of the settings.", body = Vec<IssuerView>)))]
pub(crate) async fn issuers(desk: Desk) -> Json<Vec<IssuerView>> {
    let view = |id: &str, name: &str| IssuerView {
        begin: elsewhere::begin(id),
        id: id.to_owned(),
        name: name.to_owned(),
    };
    let issuers = desk.accounts.issuers().iter();
    Json(issuers.map(|issuer| view(issuer.id, issuer.name)).collect())
}

/// Sends a browser to an issuer, to sign in or to sign up by it.
#[utoipa::path(get, path = "/api/auth/with/{issuer}", tag = "auth",
    operation_id = "begin_sign_in_elsewhere", security(()),
    params(("issuer" = String, Path, description = "The issuer."),
        ("invitation" = Option<String>, Query, description = "Where an account is made by one.")),
    responses((status = 303, description = "To the issuer."),
        (status = 404, description = "There is no such issuer.", body = Problem),
        (status = 502, description = "It does not answer as it should.", body = Problem)))]
pub(crate) async fn begin(
    desk: Desk,
    issuer: Issuer,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let issuer = id_of(issuer)?;
    let query = Parameters::read(query.unwrap_or_default().as_bytes())?;
    let invitation = query.one("invitation")?;
    let departure =
        desk.accounts
            .begin_sign_in_elsewhere(&issuer, invitation.as_deref(), &desk.whence);
    let departure = departure.await?;
    let to = departure.location.clone();
    lead(&to, [departing(&departure)?])
}

/// The header that a departure sets.
pub(super) fn departing(departure: &Departure) -> Result<HeaderValue, ApiError> {
    cookies::departing(departure)
}

/// Takes in who comes back from an issuer by a link.
#[utoipa::path(get, path = "/api/auth/with/{issuer}/return", tag = "auth",
    operation_id = "return_from_issuer", security(()),
    params(("issuer" = String, Path, description = "The issuer."),
        ("state" = String, Query, description = "As it was given along."),
        ("code" = Option<String>, Query, description = "Exchanged for tokens."),
        ("error" = Option<String>, Query, description = "Why there is none."),
        ("iss" = Option<String>, Query, description = "Who answers.")),
    responses((status = 303, description = "To the web page, with `#finish` or `#linked`."),
        (status = 400, description = "This browser did not set out for this.", body = Problem),
        (status = 401, description = "It does not prove who somebody is.", body = Problem),
        (status = 403, description = "No account is made for them.", body = Problem),
        (status = 409, description = "The address or the identity has an account.", body = Problem),
        (status = 502, description = "The issuer does not answer as it should.", body = Problem)))]
pub(crate) async fn come_back(
    desk: Desk,
    issuer: Issuer,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    // A look at the head of the answer must not spend the code.
    if method != Method::GET {
        return Err(ApiError::new(
            ErrorCode::MethodNotAllowed,
            "Come back by GET.",
        ));
    }
    let parameters = Parameters::read(query.unwrap_or_default().as_bytes())?;
    arrive(&desk, &id_of(issuer)?, &headers, &parameters, false).await
}

/// Takes in who comes back from an issuer whose page posts a form: Apple's.
#[utoipa::path(post, path = "/api/auth/with/{issuer}/return", tag = "auth",
    operation_id = "return_from_issuer_by_form", security(()),
    params(("issuer" = String, Path, description = "The issuer.")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`state`, `code` or `error`, and perhaps `user`."),
    responses((status = 303, description = "As by a link."),
        (status = 400, description = "This browser did not set out for this.", body = Problem)))]
pub(crate) async fn come_back_by_form(
    State(state): State<ApiState>,
    desk: Desk,
    issuer: Issuer,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    if !essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        let message = "The body must be a form.";
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
    }
    let body = json_body::read(request, &state).await?;
    if body.len() > LONGEST_FORM {
        let message = "A return is not as large as that.";
        return Err(ApiError::new(ErrorCode::RequestTooLarge, message));
    }
    let parameters = Parameters::read(body.as_bytes())?;
    arrive(&desk, &id_of(issuer)?, &headers, &parameters, true).await
}

async fn arrive(
    desk: &Desk,
    issuer: &str,
    headers: &HeaderMap,
    parameters: &Parameters,
    is_posted: bool,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let returning = Returning {
        issuer,
        browser: cookies::read(headers, cookies::BROWSER),
        answer: Answer {
            state: parameters.one("state")?,
            code: parameters.one("code")?,
            error: parameters.one("error")?,
            issuer: parameters.one("iss")?,
            name: parameters.one("user")?.and_then(|text| name_in(&text)),
        },
        is_posted,
    };
    let page = desk.accounts.issuers().page();
    match desk.accounts.come_back(returning, &desk.whence).await? {
        Arrival::Vouched { ticket } => {
            let cookies = [cookies::returned()?, cookies::ticket(&ticket)?];
            lead(&format!("{page}#finish"), cookies)
        }
        Arrival::Linked => lead(&format!("{page}#linked"), [cookies::returned()?]),
    }
}

/// Lets in who has just come back.
#[utoipa::path(post, path = "/api/auth/finish", tag = "auth", operation_id = "finish_sign_in",
    security(()), request_body = FinishRequest,
    responses((status = 200, description = "You are in.", body = SignedInAnswer),
        (status = 400, description = "This browser did not just come back.", body = Problem),
        (status = 401, description = "The second factor is missing or wrong.", body = Problem)))]
pub(crate) async fn finish(
    desk: Desk,
    headers: HeaderMap,
    body: JsonBody<FinishRequest>,
) -> Result<Response, ApiError> {
    desk.require_privacy()?;
    let ticket = cookies::read(&headers, cookies::TICKET).ok_or(UseCaseError::SignInLost)?;
    let code = body.value.code.as_deref();
    let signed_in = desk.accounts.finish(ticket, code, &desk.whence).await?;
    let taken = AppendHeaders([(header::SET_COOKIE, cookies::ticket_taken()?)]);
    Ok((taken, let_in(signed_in)?).into_response())
}

/// Leads a browser on, with cookies.
fn lead<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Result<Response, ApiError> {
    let cookies = cookies.map(|value| (header::SET_COOKIE, value));
    Ok(unstored((AppendHeaders(cookies), error::see_other(to)?)))
}

/// The parameters of a query or a form.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(text: &[u8]) -> Result<Self, ApiError> {
        let pairs = url::form_urlencoded::parse(text).into_owned();
        // What nobody sends is not held.
        let pairs: Vec<_> = pairs.take(33).collect();
        if pairs.len() > 32 {
            return Err(ApiError::new(
                ErrorCode::InvalidValue,
                "There are too many parameters.",
            ));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter, which may come once (RFC 6749, section 3.1).
    fn one(&self, name: &'static str) -> Result<Option<String>, ApiError> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(|(_, value)| value.clone())),
            (_, Some(_)) => {
                let message = format!("`{name}` must come once.");
                Err(ApiError::at(ErrorCode::InvalidValue, name, message))
            }
        }
    }
}

/// What Apple tells about somebody once, at their first return, and signs nowhere.
#[derive(Deserialize)]
struct User {
    name: Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
}

fn name_in(text: &str) -> Option<String> {
    let User { name } = serde_json::from_str(text).ok()?;
    let name = format!("{} {}", name.first_name, name.last_name);
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
