//! The host and origin checks: before the key is looked at and before the body is read.

use super::forwarded::Forwarded;
use super::{Origin, Peer};
use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, Method, header, request};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Refuses requests for other hosts and from pages of other origins.
pub(crate) async fn check_host_and_origin(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().copied();
    let forwarded = Forwarded::read(peer, &parts.headers, &state.trusted_proxies);
    let host = requested_host(&parts, &forwarded)?;
    if !state.hosts.allows(&host) {
        return Err(ApiError::new(
            ErrorCode::HostNotAllowed,
            "This server does not answer to that host name. Its owner can allow it with \
             --allowed-host NAME.",
        ));
    }
    if !is_return(&state, &parts) {
        check_origin(&state, &parts.headers, &host, forwarded.is_encrypted)?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// The one host a request is for. Two that differ are refused: somebody in between would see the
/// other one.
fn requested_host(parts: &request::Parts, forwarded: &Forwarded) -> Result<String, ApiError> {
    let refuse = |message: &str| ApiError::new(ErrorCode::BadRequest, message);
    let mut headers = parts.headers.get_all(header::HOST).iter();
    let header = match (headers.next(), headers.next()) {
        (None, _) => None,
        (Some(value), None) => Some(
            value
                .to_str()
                .map_err(|_| refuse("The Host header is not ASCII."))?,
        ),
        (Some(_), Some(_)) => return Err(refuse("There is more than one Host header.")),
    };
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let direct = match (authority, header) {
        (Some(a), Some(h)) if !a.eq_ignore_ascii_case(h) => {
            return Err(refuse("The Host header contradicts the request's address."));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(refuse("There is no Host header.")),
    };
    Ok(forwarded.host.clone().unwrap_or_else(|| direct.to_owned()))
}

/// Whether a page of an issuer leads somebody back here: a page that opens, by a link, or by a form
/// that the issuer's own page posts where it knows no other way. Everything else about a return
/// comes from another site as well and is refused as usual.
///
/// What lets this through is no more than a way to the handler: it takes nothing that this very
/// browser did not set out for.
fn is_return(state: &ApiState, parts: &request::Parts) -> bool {
    let Some(issuer) = routes::elsewhere::returns_from(parts.uri.path()) else {
        return false;
    };
    let tells = |name: HeaderName, expected: &[u8]| {
        let mut values = parts.headers.get_all(name).iter();
        values.all(|value| value.as_bytes() == expected)
    };
    // No frame, no picture, no script: a page of its own. Old browsers say nothing.
    if !tells(SEC_FETCH_MODE, b"navigate") || !tells(SEC_FETCH_DEST, b"document") {
        return false;
    }
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    match (&parts.method, origins.next(), origins.next()) {
        (&Method::GET, None, None) => true,
        (&Method::POST, Some(origin), None) => {
            let accounts = state.accounts.as_ref();
            let posts_from = accounts.and_then(|accounts| accounts.issuers().posts_from(issuer));
            posts_from.is_some_and(|known| known.as_bytes() == origin.as_bytes())
        }
        _ => false,
    }
}

fn check_origin(
    state: &ApiState,
    headers: &HeaderMap,
    host: &str,
    is_encrypted: bool,
) -> Result<(), ApiError> {
    let refusal = || {
        ApiError::new(
            ErrorCode::OriginNotAllowed,
            "Web pages of other origins may not use this server. Its owner can allow one with \
             --cors-origin ORIGIN.",
        )
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => None,
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| refusal())?;
            Some(Origin::parse(text).map_err(|_| refusal())?)
        }
        (Some(_), Some(_)) => return Err(refusal()),
    };
    if let Some(origin) = origin {
        let scheme = if is_encrypted { "https" } else { "http" };
        let own = Origin::parse(&format!("{scheme}://{host}")).ok();
        let is_ours = own.as_ref() == Some(&origin)
            || state.hosts.public_origin() == Some(&origin)
            || state.cors_origins.contains(&origin);
        return if is_ours { Ok(()) } else { Err(refusal()) };
    }
    // A page of another site can cause a GET without an Origin; browsers then tell on it here.
    match headers.get(SEC_FETCH_SITE).map(http::HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(refusal()),
    }
}
