//! [`ApiState`]: what every handler can reach.

use crate::measurements::Measurements;
use rustygpt_orchestrator::access::Keyring;
use rustygpt_orchestrator::access::rate::RateLimiter;
use rustygpt_orchestrator::accounts::Accounts;
use rustygpt_orchestrator::models::Models;
use rustygpt_orchestrator::tasks::Statistics;
use rustygpt_utils::clock::Clock;
use rustygpt_utils::random::NoRandomness;
use rustygpt_utils::tasks::Tasks;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub use crate::middleware::{
    HostPolicy, InvalidHost, InvalidNetwork, InvalidOrigin, Networks, Origin,
};

/// Makes an id from a prefix such as `chatcmpl-`.
pub type NewId = Arc<dyn Fn(&str) -> Result<String, NoRandomness> + Send + Sync>;

/// What the composition root fills.
pub struct ApiParts {
    /// The models.
    pub models: Arc<Models>,
    /// The keys that open the server without the store: the local owner's.
    pub keyring: Keyring,
    /// Accounts, and everything that comes with them; without them only the keyring opens.
    pub accounts: Option<Arc<Accounts>>,
    /// What the worker that runs tasks here has done, if there is one.
    pub work: Option<Arc<Statistics>>,
    /// Whether inference and discovery need no key (`--open-loopback`). The host and origin checks
    /// stay.
    pub keyless: bool,
    /// The `Host` headers this server answers to.
    pub hosts: HostPolicy,
    /// Other origins whose pages may read answers (`--cors-origin`).
    pub cors_origins: Vec<Origin>,
    /// Proxies whose `X-Forwarded-*` headers are believed (`--trusted-proxy`).
    pub trusted_proxies: Networks,
    /// Bounds of one request.
    pub limits: RequestLimits,
    /// Tells the time of answers.
    pub clock: Arc<dyn Clock>,
    /// Makes the ids of requests and answers.
    pub new_id: NewId,
    /// Where background work of requests lives.
    pub tasks: Tasks,
    /// Ends open streams with an error event; the same token as
    /// [`crate::ServeOptions::ending`], which cancels it when the time to drain is over.
    pub ending: CancellationToken,
}

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// Bytes of all headers together.
    pub header_bytes: usize,
    /// Number of headers.
    pub header_count: usize,
    /// After how much silence a stream sends a comment.
    pub keep_alive: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            body_time: Duration::from_secs(30),
            header_bytes: 64 << 10,
            header_count: 100,
            keep_alive: Duration::from_secs(10),
        }
    }
}

/// What every handler can reach. Clones share it.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// The shared part of [`ApiState`].
pub struct Shared {
    parts: ApiParts,
    pub(crate) measurements: Measurements,
    /// Attempts to get in, by network address.
    pub(crate) attempts: RateLimiter<IpAddr>,
}

impl ApiState {
    /// The state of one server.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(Shared {
            parts,
            measurements: Measurements::new(),
            attempts: RateLimiter::new(),
        }))
    }
}

impl Deref for ApiState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = ApiParts;
    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}
