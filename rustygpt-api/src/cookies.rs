//! Cookies: read strictly, written with every guard there is.
//!
//! `__Host-` binds a cookie to this host, to HTTPS (or the loopback address, which browsers take
//! for as safe) and to the whole of it; pages cannot read it, and no other site's request brings
//! it, but for the one that leads back from an issuer. It does come along to every other port of the host, so that it counts only together with a
//! second secret in a header.

use crate::error::ApiError;
use http::{HeaderMap, HeaderValue, header};
use rustygpt_orchestrator::accounts::{Departure, SignedIn};

/// Holds the access token.
pub(crate) const ACCESS: &str = "__Host-rustygpt-access";
/// Holds the refresh token.
pub(crate) const REFRESH: &str = "__Host-rustygpt-refresh";

/// What a browser keeps while somebody is with an issuer.
pub(crate) const BROWSER: &str = "__Host-rustygpt-browser";
/// What it keeps from their return until they are let in.
pub(crate) const TICKET: &str = "__Host-rustygpt-ticket";
/// How long a ticket is of use at most.
const TICKET_SECONDS: u64 = 300;

/// The value of a cookie; `None` if it is not there, or there twice: somebody else set one then.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

/// The headers that give somebody their cookies.
///
/// # Errors
/// Never: tokens are plain text.
pub(crate) fn given(signed_in: &SignedIn) -> Result<[HeaderValue; 2], ApiError> {
    Ok([
        written(
            ACCESS,
            &signed_in.access_token,
            signed_in.access_expires_in.as_secs(),
        )?,
        written(
            REFRESH,
            &signed_in.refresh_token,
            signed_in.refresh_expires_in.as_secs(),
        )?,
    ])
}

/// The headers that take them away.
///
/// # Errors
/// Never: the values are constant.
pub(crate) fn taken() -> Result<[HeaderValue; 2], ApiError> {
    Ok([written(ACCESS, "", 0)?, written(REFRESH, "", 0)?])
}

/// The header that gives a browser what it keeps while somebody is with an issuer. It must come
/// along when another site's page leads back here: by a link, or, for issuers that know no other
/// way, in a form that the page posts.
///
/// # Errors
/// Never: secrets are plain text.
pub(crate) fn departing(departure: &Departure) -> Result<HeaderValue, ApiError> {
    let same_site = if departure.is_posted_back {
        "None"
    } else {
        "Lax"
    };
    guarded(
        BROWSER,
        &departure.browser,
        departure.lasts.as_secs(),
        same_site,
    )
}

/// The header that takes that away.
///
/// # Errors
/// Never: the value is constant.
pub(crate) fn returned() -> Result<HeaderValue, ApiError> {
    written(BROWSER, "", 0)
}

/// The header that gives a browser its ticket.
///
/// # Errors
/// Never: tickets are plain text.
pub(crate) fn ticket(ticket: &str) -> Result<HeaderValue, ApiError> {
    written(TICKET, ticket, TICKET_SECONDS)
}

/// The header that takes it away.
///
/// # Errors
/// Never: the value is constant.
pub(crate) fn ticket_taken() -> Result<HeaderValue, ApiError> {
    written(TICKET, "", 0)
}

fn written(name: &str, value: &str, seconds: u64) -> Result<HeaderValue, ApiError> {
    guarded(name, value, seconds, "Strict")
}

fn guarded(
    name: &str,
    value: &str,
    seconds: u64,
    same_site: &str,
) -> Result<HeaderValue, ApiError> {
    let text = format!(
        "{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}"
    );
    let mut value = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_cookie_of_the_very_name_is_read() {
        let read_from = |texts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(header::COOKIE, HeaderValue::from_static(text));
            }
            read(&headers, ACCESS).map(str::to_owned)
        };
        assert_eq!(
            read_from(&["a=b; __Host-rustygpt-access=x.y; c=d"]).as_deref(),
            Some("x.y")
        );
        for texts in [
            &[][..],
            &["rustygpt-access=x"],
            &["__host-rustygpt-access=x"],
            &["__Host-rustygpt-access="],
            &["__Host-rustygpt-access=x; __Host-rustygpt-access=y"],
            &["__Host-rustygpt-access=x", "__Host-rustygpt-access=x"],
        ] {
            assert_eq!(read_from(texts), None, "{texts:?}");
        }
    }
}
