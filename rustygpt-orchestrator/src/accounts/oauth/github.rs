//! [`GitHub`]: who somebody is there, by its REST interface. GitHub speaks OAuth 2.0 and no OpenID
//! Connect, so that nothing is signed: what counts is that we asked it ourselves.

use super::wire::Wire;
use super::{IssuerError, Vouched};
use serde::Deserialize;
use url::Url;

/// GitHub, or one's own GitHub Enterprise.
pub(super) struct GitHub {
    /// Its name as an issuer: the address of its web pages.
    pub(super) issuer: String,
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) secret: String,
    user: Url,
    emails: Url,
}

#[derive(Deserialize)]
struct User {
    /// Never given to another; the login is.
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

impl GitHub {
    /// GitHub with its pages at `web` and its interface at `api`.
    pub(super) fn new(web: &Url, api: &Url, secret: String) -> Result<Self, url::ParseError> {
        let below = |base: &Url, path: &str| {
            Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/')))
        };
        Ok(Self {
            issuer: web.as_str().trim_end_matches('/').to_owned(),
            authorization: below(web, "login/oauth/authorize")?,
            token: below(web, "login/oauth/access_token")?,
            user: below(api, "user")?,
            emails: below(api, "user/emails")?,
            secret,
        })
    }

    /// Whom an access token is of.
    pub(super) async fn person(
        &self,
        access_token: &str,
        wire: &Wire,
    ) -> Result<Vouched, IssuerError> {
        let user: User = wire.get(&self.user, Some(access_token)).await?;
        let addresses: Vec<Address> = wire.get(&self.emails, Some(access_token)).await?;
        let primary = addresses.into_iter().find(|address| address.primary);
        Ok(Vouched {
            issuer: self.issuer.clone(),
            subject: user.id.to_string(),
            is_email_verified: primary.as_ref().is_some_and(|address| address.verified),
            email: primary.map(|address| address.email),
            name: user
                .name
                .filter(|name| !name.is_empty())
                .unwrap_or(user.login),
        })
    }
}
