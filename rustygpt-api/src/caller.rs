//! Who asks, as the middleware found out, for handlers.

use crate::error::ApiError;
use crate::middleware::{Forwarded, Peer, RequestId};
use crate::state::ApiState;
use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use http::uri::Authority;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_orchestrator::access::Caller;
use rustygpt_orchestrator::accounts::{Accounts, Authenticated, SessionId, Whence};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Who is asking. A route outside the authentication layer cannot have one.
pub(crate) struct Asker(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(caller) => Ok(Self(caller.clone())),
            None => Err(ApiError::new(
                ErrorCode::InvalidApiKey,
                "No API key was given.",
            )),
        }
    }
}

/// When what a request began must end before it is done.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// The server stops.
    server: CancellationToken,
    /// The server stops, or who asked may not do this any more.
    any: CancellationToken,
}

impl Ending {
    /// Resolves when it must end.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.any
    }

    /// Why: for the client and, shorter, for the log.
    pub(crate) fn reason(&self) -> (ApiError, &'static str) {
        if self.server.is_cancelled() {
            (ApiError::stopping(), "server stopping")
        } else {
            (ApiError::access_ended(), "access ended")
        }
    }
}

impl FromRequestParts<ApiState> for Ending {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let server = state.ending.clone();
        let any = match parts.extensions.get::<Authenticated>() {
            Some(who) => who.ending().clone(),
            None => server.clone(),
        };
        Ok(Self { server, any })
    }
}

/// The desk where accounts are kept, and where the request comes from.
pub(crate) struct Desk {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) whence: Whence,
    /// The sign-in that the request came with.
    pub(crate) session: Option<SessionId>,
    /// Whether what is said here stays between the client and us.
    is_private: bool,
}

impl Desk {
    /// Refuses to give or take secrets where others can listen: cookies would lose the prefix that
    /// binds them, and passwords would be read.
    pub(crate) fn require_privacy(&self) -> Result<(), ApiError> {
        if self.is_private {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::InsecureConnection,
            "Signing in needs HTTPS: start the server with --tls-cert and --tls-key, or put a proxy \
             that speaks HTTPS before it and name that with --trusted-proxy.",
        ))
    }
}

impl FromRequestParts<ApiState> for Desk {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let Some(accounts) = &state.accounts else {
            return Err(ApiError::new(
                ErrorCode::NotFound,
                "This server keeps no accounts.",
            ));
        };
        let peer = parts.extensions.get::<Peer>().copied();
        let forwarded = Forwarded::read(peer, &parts.headers, &state.trusted_proxies);
        // What a proxy on this machine hands on came from somewhere else; one that nobody named is
        // known by the host it was asked for.
        let is_local = names_loopback(parts)
            && peer.is_some_and(|peer| {
                let address = peer.address.ip();
                address.to_canonical().is_loopback() && !state.trusted_proxies.contain(address)
            });
        let user_agent = parts.headers.get(header::USER_AGENT);
        let request = parts.extensions.get::<RequestId>();
        Ok(Self {
            accounts: Arc::clone(accounts),
            whence: Whence {
                request: request.map(|id| id.0.clone()).unwrap_or_default(),
                address: forwarded
                    .client
                    .map(|ip| ip.to_string())
                    .unwrap_or_default(),
                user_agent: user_agent
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned(),
            },
            session: parts
                .extensions
                .get::<Authenticated>()
                .and_then(|who| who.session()),
            is_private: forwarded.is_encrypted || is_local,
        })
    }
}

/// Whether a request is for this very machine, by the host it names.
fn names_loopback(parts: &Parts) -> bool {
    let header = parts.headers.get(header::HOST);
    let header = header.and_then(|value| value.to_str().ok()?.parse().ok());
    let authority: Option<Authority> = parts.uri.authority().cloned().or(header);
    authority.is_some_and(|authority| {
        let host = authority.host().trim_matches(['[', ']']);
        let is_address = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        is_address || host.eq_ignore_ascii_case("localhost")
    })
}
