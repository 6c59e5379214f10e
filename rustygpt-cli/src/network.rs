//! The one place of the command line that builds an HTTP client, so that `--offline` and the rule
//! about redirects hold everywhere. The server's own way out, to issuers, is `accounts/oauth/wire`
//! of `rustygpt-orchestrator`.

use anyhow::{Context as _, Result};
use reqwest::redirect::Policy;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A transfer that brings nothing for so long is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Has `ring` do the cryptography of connections; comes before every client.
pub(crate) fn use_ring() {
    // Fails only if one is installed already, which is what we want.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn builder() -> reqwest::ClientBuilder {
    use_ring();
    reqwest::Client::builder()
        .user_agent(concat!("rustygpt/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // Redirects are followed by hand, so that no credential crosses to another host.
        .redirect(Policy::none())
}

/// A client for the world outside, by the system's proxy.
///
/// # Errors
/// The system's certificates cannot be read.
pub(crate) fn outside() -> Result<reqwest::Client> {
    builder()
        .read_timeout(READ_TIMEOUT)
        .build()
        .context("cannot start the HTTP client")
}

/// A client for our own server: no proxy, and no limit to how long a model may think.
///
/// # Errors
/// As [`outside`].
pub(crate) fn own_server() -> Result<reqwest::Client> {
    builder()
        .no_proxy()
        .build()
        .context("cannot start the HTTP client")
}
