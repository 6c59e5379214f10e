//! Signing in by an issuer: a server elsewhere (GitHub, Apple, any OpenID Connect issuer) that
//! vouches for people.
//!
//! 1. [`Accounts::begin_sign_in_elsewhere`](super::Accounts::begin_sign_in_elsewhere) sends a
//!    browser to the issuer and gives it a secret of its own; what the answer must fit is kept in
//!    the store, sealed, as a one-time code.
//! 2. [`Accounts::come_back`](super::Accounts::come_back) spends that code, exchanges the issuer's
//!    for a token, and finds or makes the account.
//! 3. [`Accounts::finish`](super::Accounts::finish) asks for the second factor and lets in. It is a
//!    step of its own because the return is a page that opens, from which no program could take
//!    over the proof that goes with the cookies.
//!
//! Invariant: an identity opens the account it was linked to and no other; nothing is found by an
//! e-mail address.
//! Invariant: what comes back counts only in the browser that set out, once, for ten minutes.
//! Invariant: the address people come back to is made of the configured one, never of a request.

mod apple;
mod begin;
mod come_back;
mod finish;
mod flow;
mod github;
mod identities;
mod identity_token;
mod issuer;
mod keys;
mod openid;
mod wire;

pub use begin::Departure;
pub use come_back::{Answer, Arrival, Returning};
pub use identities::LinkedIdentity;
pub use wire::WireLimits;

use crate::UseCaseError;
use issuer::Issuer;
use std::fmt;
use url::Url;

/// A secret text that is not written anywhere.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret in the clear.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// An issuer as it is configured.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Its name in paths: lower-case letters, digits, dashes.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Who we are to it.
    pub client: String,
    /// How it is spoken to.
    pub kind: IssuerKind,
}

/// How an issuer is spoken to.
#[derive(Clone, Debug)]
pub enum IssuerKind {
    /// GitHub, or a GitHub Enterprise.
    GitHub {
        /// Where its pages are.
        web: Url,
        /// Where its REST interface is.
        api: Url,
        /// The client's secret.
        secret: Secret,
    },
    /// Apple, or what behaves like it.
    Apple {
        /// Its name as an issuer.
        issuer: String,
        /// The developer team.
        team: String,
        /// The name of the key.
        key_id: String,
        /// The text of the key's `.p8` file.
        key: Secret,
    },
    /// Any OpenID Connect issuer.
    OpenId {
        /// Its name, to the letter, or the address of its description.
        issuer: String,
        /// The client's secret, if it has one.
        secret: Option<Secret>,
    },
}

/// What is wrong with an issuer's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidIssuer(&'static str);

/// An issuer, for those who choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownIssuer<'a> {
    /// Its name in paths.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
}

/// The issuers people may sign in by.
#[derive(Default)]
pub struct Issuers {
    all: Vec<Issuer>,
    /// The page people end up on.
    page: String,
}

impl Issuers {
    /// These issuers; `public_url` is the address at which browsers know this server.
    ///
    /// # Errors
    /// [`InvalidIssuer`], with the id of the one at fault.
    pub fn new(
        public_url: &Url,
        settings: Vec<IssuerSettings>,
        limits: WireLimits,
    ) -> Result<Self, (String, InvalidIssuer)> {
        let base = public_url.as_str().trim_end_matches('/');
        let mut all: Vec<Issuer> = Vec::with_capacity(settings.len());
        for settings in settings {
            let id = settings.id.clone();
            if all.iter().any(|issuer| issuer.id == id) {
                return Err((id, InvalidIssuer("there is another of that id")));
            }
            if !wire::is_safe(public_url) {
                let reason = "public_url must be https, or lie on this machine";
                return Err((id, InvalidIssuer(reason)));
            }
            let issuer = Issuer::new(base, settings, limits).map_err(|error| (id, error))?;
            all.push(issuer);
        }
        Ok(Self {
            all,
            page: format!("{base}/"),
        })
    }

    fn find(&self, id: &str) -> Result<&Issuer, UseCaseError> {
        let found = self.all.iter().find(|issuer| issuer.id == id);
        found.ok_or(UseCaseError::NotFound("issuer"))
    }

    /// All of them, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = ShownIssuer<'_>> {
        self.all.iter().map(|issuer| ShownIssuer {
            id: &issuer.id,
            name: &issuer.name,
        })
    }

    /// The origin whose pages may post people's return by this issuer; `None` for all who send
    /// them back by a link.
    #[must_use]
    pub fn posts_from(&self, id: &str) -> Option<&str> {
        self.find(id).ok()?.posts_from.as_deref()
    }

    /// The page that goes on with what [`Arrival`] says.
    #[must_use]
    pub fn page(&self) -> &str {
        &self.page
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.all.iter().map(|issuer| &issuer.id);
        formatter.debug_list().entries(ids).finish()
    }
}

/// Somebody, as an issuer knows them.
#[derive(Debug)]
struct Vouched {
    issuer: String,
    subject: String,
    email: Option<String>,
    is_email_verified: bool,
    name: String,
}

/// Why an issuer's word does not count. The reason is a word for the log, and no secret.
#[derive(Debug, thiserror::Error)]
enum IssuerError {
    /// It does not answer, or not as it should.
    #[error("the issuer does not answer as it should: {reason}")]
    Unavailable {
        reason: &'static str,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Its answer proves nothing.
    #[error("what the issuer answered proves nothing: {reason}")]
    Refused { reason: &'static str },
}

impl IssuerError {
    fn failed(reason: &'static str) -> Self {
        let source = None;
        Self::Unavailable { reason, source }
    }

    fn unavailable(
        reason: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self::Unavailable { reason, source }
    }

    fn refused(reason: &'static str) -> Self {
        Self::Refused { reason }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable { reason, .. } | Self::Refused { reason } => reason,
        }
    }
}

impl From<IssuerError> for UseCaseError {
    fn from(error: IssuerError) -> Self {
        match error {
            IssuerError::Refused { .. } => Self::IdentityRefused,
            other @ IssuerError::Unavailable { .. } => Self::IssuerUnavailable(Box::new(other)),
        }
    }
}
