//! The host and origin checks: before the key is looked at and before the body is read.

use super::forwarded::Forwarded;
use super::{Origin, Peer};
use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, header, request};
use rustygpt_common::error_code::ErrorCode;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
    check_origin(&state, &parts.headers, &host, forwarded.is_encrypted)?;
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
