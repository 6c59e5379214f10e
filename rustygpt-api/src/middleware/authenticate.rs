//! What a request brings (a key, an access token, a cookie) becomes a caller, or the request ends
//! with 401.

use super::{Forwarded, Peer, Record};
use crate::cookies;
use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes;
use rustygpt_orchestrator::access::Caller;
use rustygpt_orchestrator::access::rate::{Rate, Standing};
use rustygpt_orchestrator::accounts::{
    Accounts, Authenticated, Presented, Timestamp, TokenStanding,
};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Where Anthropic's clients put the key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The second secret that must come with a cookie.
const PROOF: HeaderName = HeaderName::from_static("x-rustygpt-proof");

/// Puts the [`Caller`] into the request. Everything but health and the ways in needs one, routes
/// that do not exist included, so that nobody learns which do.
pub(crate) async fn identify(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if routes::is_public(path) {
        if routes::is_entrance(path) {
            bound_attempts(&state, &request)?;
        }
        return Ok(next.run(request).await);
    }
    let headers = request.headers();
    if let Some(caller) = bearer(headers).and_then(|key| state.keyring.caller(key)) {
        request.extensions_mut().insert(caller);
        return Ok(next.run(request).await);
    }
    let who = match (&state.accounts, presented(headers)) {
        (Some(accounts), Some(presented)) => {
            let who = accounts.authenticate(presented).await?;
            who.map(|who| (accounts, who))
        }
        _ => None,
    };
    let Some((accounts, who)) = who else {
        if !state.keyless || !routes::is_inference(path) || !is_from_loopback(&state, &request) {
            return Err(refusal(headers));
        }
        request.extensions_mut().insert(Caller::keyless());
        return Ok(next.run(request).await);
    };
    let record = request.extensions().get::<Record>();
    let record = record.cloned();
    let standing = bound(accounts, &who, path, record.as_ref()).await?;
    request.extensions_mut().insert(who.caller().clone());
    request.extensions_mut().insert(who);
    let mut response = next.run(request).await;
    if let Some(standing) = standing {
        tell(&mut response, &standing);
    }
    // As far as it is known when the headers go: a stream whose model is still being loaded has
    // set nothing aside yet.
    if let Some(reservation) = record.and_then(|record| record.facts().reservation) {
        let now = Timestamp::now(state.clock.as_ref());
        tell_tokens(&mut response, &reservation.standing(now));
    }
    Ok(response)
}

/// The one thing a request presents. A header counts before a cookie, also when it is wrong: what a
/// program says explicitly must not be replaced by what a browser adds.
fn presented(headers: &HeaderMap) -> Option<Presented<'_>> {
    if presents_key(headers) {
        return bearer(headers).map(Presented::Bearer);
    }
    let token = cookies::read(headers, cookies::ACCESS)?;
    let proof = headers.get(PROOF).and_then(|value| value.to_str().ok());
    Some(Presented::Cookie { token, proof })
}

/// The second secret of a request, if it brings one.
pub(crate) fn proof(headers: &HeaderMap) -> Option<&str> {
    headers.get(PROOF)?.to_str().ok()
}

fn presents_key(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(API_KEY)
}

/// The key or token of a request: its bearer or, where there is no `Authorization` header, what
/// stands in Anthropic's. Two headers of a name are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let only = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let (value, None) = (values.next()?, values.next()) else {
            return None;
        };
        value.to_str().ok()
    };
    if !headers.contains_key(header::AUTHORIZATION) {
        return only(API_KEY).map(str::trim);
    }
    let (scheme, key) = only(header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// Counts a request against its key's rate, and one that has a model compute against its quota.
async fn bound(
    accounts: &Accounts,
    who: &Authenticated,
    path: &str,
    record: Option<&Record>,
) -> Result<Option<Standing>, ApiError> {
    let standing = accounts.take_request(who);
    if let Some(standing) = standing
        && !standing.is_within
    {
        let message = format!(
            "Rate limit reached: {} requests per minute with this key.",
            standing.limit
        );
        let code = ErrorCode::RateLimited;
        return Err(ApiError::too_much(code, message, standing.retry_after));
    }
    if routes::computes(path) {
        let reservation = accounts.reserve(who).await?;
        if let Some(record) = record {
            record.note(|facts| {
                facts.who = Some(Authenticated::clone(who));
                facts.reservation = reservation;
            });
        }
    }
    Ok(standing)
}

/// Whether a request comes from a program of this machine. What a proxy hands on came from somewhere
/// else, whatever it says.
fn is_from_loopback(state: &ApiState, request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|peer| {
        let address = peer.address.ip();
        address.to_canonical().is_loopback() && !state.trusted_proxies.contain(address)
    }) && !Forwarded::is_claimed(request.headers())
}

/// Bounds how often one network address may try to get in.
fn bound_attempts(state: &ApiState, request: &Request) -> Result<(), ApiError> {
    let Some(accounts) = &state.accounts else {
        return Ok(());
    };
    let peer = request.extensions().get::<Peer>().copied();
    let forwarded = Forwarded::read(peer, request.headers(), &state.trusted_proxies);
    let Some(client) = forwarded.client else {
        return Ok(());
    };
    let rate = Rate::per_minute(accounts.policy().attempts_per_minute);
    let now = state.clock.since_epoch();
    let standing = state.attempts.take(network_of(client), rate, now);
    if standing.is_within {
        return Ok(());
    }
    let message = "Too many attempts from your address.";
    Err(ApiError::too_much(
        ErrorCode::RateLimited,
        message,
        standing.retry_after,
    ))
}

/// Whoever has one address of version 6 usually has 2^64 of them.
fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        version_4 => version_4,
    }
}

/// Tells how somebody stands with their requests, in the headers that OpenAI's clients read.
fn tell(response: &mut Response, standing: &Standing) {
    let values = [
        ("x-ratelimit-limit-requests", standing.limit.to_string()),
        (
            "x-ratelimit-remaining-requests",
            standing.remaining.to_string(),
        ),
        ("x-ratelimit-reset-requests", seconds(standing.full_after)),
    ];
    add(response, values);
}

/// The same of their tokens.
fn tell_tokens(response: &mut Response, standing: &TokenStanding) {
    let values = [
        ("x-ratelimit-limit-tokens", standing.limit.to_string()),
        (
            "x-ratelimit-remaining-tokens",
            standing.remaining.to_string(),
        ),
        ("x-ratelimit-reset-tokens", seconds(standing.resets_in)),
    ];
    add(response, values);
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_millis().div_ceil(1000))
}

fn add(response: &mut Response, values: [(&'static str, String); 3]) {
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
}

fn refusal(headers: &HeaderMap) -> ApiError {
    let message = if presents_key(headers) {
        "Incorrect API key provided. The key is in the file `api-key` of the server's data folder; \
         `rustygpt env openai` prints it ready for use."
    } else {
        "You didn't provide an API key. Send it as `Authorization: Bearer KEY`; `rustygpt env \
         openai` prints it ready for use."
    };
    ApiError::new(ErrorCode::InvalidApiKey, message)
}
