//! [`Wire`]: the one way to an issuer, bounded in time and size.

use super::IssuerError;
use oauth2::http::{HeaderValue, Method, Request, Response, header};
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use url::{Host, Url};

/// How long an issuer may take, and how much it may answer.
#[derive(Clone, Copy, Debug)]
pub struct WireLimits {
    /// For a whole answer, from connecting to its last byte.
    pub time: Duration,
    /// Bytes of an answer's body.
    pub bytes: usize,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            bytes: 256 << 10,
        }
    }
}

/// Asks one issuer. Redirects are not followed: what is sent is a secret of the address it was
/// meant for.
pub(super) struct Wire {
    client: reqwest::Client,
    limits: WireLimits,
    /// Whether the issuer is on this machine, where nobody listens in between.
    is_local: bool,
}

impl Wire {
    /// A way to the issuer at this address.
    pub(super) fn new(issuer: &Url, limits: WireLimits) -> Result<Self, reqwest::Error> {
        let is_local = is_loopback(issuer);
        let builder = reqwest::Client::builder()
            .user_agent(concat!("rustygpt/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none());
        let builder = if is_local {
            builder.no_proxy()
        } else {
            builder
        };
        Ok(Self {
            client: builder.build()?,
            limits,
            is_local,
        })
    }

    /// An address that this issuer named, if it may be gone to: by https, or, on this machine,
    /// by http.
    pub(super) fn endpoint(&self, text: &str) -> Result<Url, IssuerError> {
        let url = Url::parse(text).map_err(|error| IssuerError::unavailable("endpoint", error))?;
        if is_safe(&url) && (url.scheme() == "https" || self.is_local) {
            Ok(url)
        } else {
            Err(IssuerError::failed("insecure endpoint"))
        }
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, IssuerError> {
        let answer = tokio::time::timeout(self.limits.time, self.ask(request)).await;
        answer.map_err(|_| IssuerError::failed("slow"))?
    }

    /// What stands at an address, as JSON of a type.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        url: &Url,
        bearer: Option<&str>,
    ) -> Result<T, IssuerError> {
        let mut request = Request::new(Vec::new());
        *request.method_mut() = Method::GET;
        let address = url.as_str().parse();
        *request.uri_mut() =
            address.map_err(|error| IssuerError::unavailable("endpoint", error))?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| IssuerError::refused("access token"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let answer = self.send(request).await?;
        if !answer.status().is_success() {
            return Err(IssuerError::failed("status"));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| IssuerError::unavailable("form", error))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, IssuerError> {
        let lost =
            |error: reqwest::Error| IssuerError::unavailable("connection", error.without_url());
        let request = reqwest::Request::try_from(request).map_err(lost)?;
        let mut answer = self.client.execute(request).await.map_err(lost)?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(IssuerError::failed("redirect"));
        }
        if status.is_server_error() {
            return Err(IssuerError::failed("status"));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(lost)? {
            if body.len() + piece.len() > self.limits.bytes {
                return Err(IssuerError::failed("size"));
            }
            body.extend_from_slice(&piece);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Wire {
    type Error = IssuerError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, IssuerError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Whether an address is one of https, or of http on this machine, without a name or password.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    is_private && url.has_host() && url.username().is_empty() && url.password().is_none()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_nobody_listens_in_on_are_safe() {
        for (text, expected) in [
            ("https://login.example/x", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://login.example", false),
            ("http://127.0.0.1.example", false),
            ("http://localhost.example", false),
            ("https://name@login.example", false),
            ("https://login.example@127.0.0.1", false),
            ("ftp://localhost", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_safe(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }
}
