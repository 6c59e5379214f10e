//! What happens to every request before its handler and to every answer after it.

mod authenticate;
mod forwarded;
mod guard;
mod harden;
mod host;
mod linger;
mod observe;
mod origin;
mod panic;
mod problem;
mod record;

pub(crate) use authenticate::proof;
pub(crate) use forwarded::Forwarded;
pub use forwarded::{InvalidNetwork, Networks};
pub use host::{HostPolicy, InvalidHost};
pub(crate) use observe::RequestId;
pub use origin::{InvalidOrigin, Origin};
pub(crate) use record::Record;

use crate::state::ApiState;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use http::{HeaderName, HeaderValue, Method, header};
use std::net::SocketAddr;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, CorsLayer};

/// The header that names one request, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that names parameters which had no effect or a different one.
pub(crate) const IGNORED: HeaderName = HeaderName::from_static("x-rustygpt-ignored");

/// Where a connection comes from; the accept loop puts it into every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The other end.
    pub(crate) address: SocketAddr,
    /// Whether the connection is encrypted by us.
    pub(crate) is_encrypted: bool,
}

/// Wraps all routes. What stands last is met first: a request is named, then bounded, then its
/// host and origin are checked, then who asks; only then a handler may read its body.
pub(crate) fn apply(router: Router<ApiState>, state: &ApiState) -> Router<ApiState> {
    let router = router
        .layer(from_fn_with_state(state.clone(), authenticate::identify))
        // Never compresses event streams: each event must leave at once.
        .layer(CompressionLayer::new());
    let router = match cors(state) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(from_fn_with_state(
            state.clone(),
            guard::check_host_and_origin,
        ))
        .layer(from_fn_with_state(state.clone(), harden::bound_headers))
        .layer(from_fn(panic::answer))
        .layer(from_fn(problem::write_in_dialect))
        .layer(from_fn(harden::add_headers))
        .layer(from_fn_with_state(state.clone(), linger::read_to_the_end))
        .layer(from_fn_with_state(state.clone(), observe::observe))
}

/// Lets pages of the configured origins read answers. Without such origins there is no CORS.
fn cors(state: &ApiState) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = state
        .cors_origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([REQUEST_ID, IGNORED, header::RETRY_AFTER]);
    Some(layer)
}
