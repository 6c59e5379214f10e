//! One GET, its redirects followed by hand.

use anyhow::{Context as _, Result, bail};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, Response};
use url::{Origin, Url};

const MOST_REDIRECTS: usize = 10;

/// A token, and the only place it may be shown to.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) token: String,
    pub(crate) origin: Origin,
}

/// A response, and the headers of every hop that led to it.
pub(crate) struct Arrived {
    pub(crate) response: Response,
    hops: Vec<HeaderMap>,
}

impl Arrived {
    /// A header of the response or, as a hub names a file's digest where it redirects to the
    /// store, of the nearest hop before it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = std::iter::once(self.response.headers()).chain(self.hops.iter().rev());
        headers
            .filter_map(|headers| headers.get(name))
            .find_map(|value| value.to_str().ok())
    }

    /// A header of the response itself.
    pub(crate) fn own_header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

/// Sends a GET and follows redirects. The credential goes to its own origin only, an https
/// address never leads to an http one.
///
/// # Errors
/// No connection, or redirects that do not end or lead where they must not.
pub(crate) async fn get(
    client: &Client,
    url: &Url,
    credential: Option<&Credential>,
    headers: &HeaderMap,
) -> Result<Arrived> {
    let mut url = url.clone();
    let mut hops = Vec::new();
    for _ in 0..=MOST_REDIRECTS {
        let mut request = client.get(url.clone()).headers(headers.clone());
        if let Some(credential) = credential.filter(|c| c.origin == url.origin()) {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", credential.token))
                .context("the token holds characters that no token has")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("cannot reach {}", place(&url)))?;
        if !response.status().is_redirection() {
            return Ok(Arrived { response, hops });
        }
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let location = location.with_context(|| format!("{} redirects nowhere", place(&url)))?;
        let next = url
            .join(location)
            .with_context(|| format!("{} redirects nowhere", place(&url)))?;
        if !matches!(next.scheme(), "http" | "https")
            || (url.scheme() == "https" && next.scheme() == "http")
        {
            bail!(
                "{} redirects to {}, which is not safe",
                place(&url),
                place(&next)
            );
        }
        hops.push(response.headers().clone());
        url = next;
    }
    bail!("{} redirects without end", place(&url))
}

/// The header that asks for the rest of a file.
pub(crate) fn range_from(headers: &mut HeaderMap, offset: u64) -> Result<()> {
    headers.insert(RANGE, HeaderValue::from_str(&format!("bytes={offset}-"))?);
    Ok(())
}

/// An address for people: signed addresses of a store are long and secret in their query.
pub(crate) fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Addresses that cannot have credentials have none to hide.
    let _ = url.set_password(None).and_then(|()| url.set_username(""));
    url.into()
}
