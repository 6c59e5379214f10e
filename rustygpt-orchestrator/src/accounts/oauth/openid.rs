//! [`OpenId`]: an issuer that describes itself (OpenID Connect Discovery 1.0).

use super::IssuerError;
use super::apple::AppleKey;
use super::identity_token::{self, Claims, Expected, Truth};
use super::keys::{Keys, Written};
use super::wire::Wire;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// How long what an issuer says of itself, and its keys, are taken for true.
const FRESH: Duration = Duration::from_secs(3600);
/// A token signed by an unknown key has the keys asked for anew, this often at most.
const ASK_AGAIN: Duration = Duration::from_secs(60);
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// How we prove to an issuer who we are.
pub(super) enum Credential {
    /// A public client has nothing.
    Nothing,
    /// A text that both know.
    Secret(String),
    /// A token that we sign.
    Apple(AppleKey),
}

/// An issuer that describes itself.
pub(super) struct OpenId {
    /// Its name for itself, to the letter.
    pub(super) issuer: String,
    pub(super) credential: Credential,
    memory: Mutex<Memory>,
}

/// What is known of the issuer, and since when.
#[derive(Default)]
struct Memory {
    description: Option<(Arc<Description>, Duration)>,
    keys: Option<(Arc<Keys>, Duration)>,
}

/// What an issuer says of itself.
pub(super) struct Description {
    pub(super) authorization: Url,
    pub(super) token: Url,
    keys: Url,
    person: Option<Url>,
    /// Whether our secret goes into a header; it goes into the body otherwise.
    pub(super) takes_basic: bool,
    /// Whether it binds a code to who asked for it (RFC 7636); `None` when it does not say.
    pub(super) binds_code: Option<bool>,
    /// Whether its answers name it (RFC 9207).
    pub(super) names_itself: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What the issuer tells about somebody beside the token.
#[derive(Deserialize)]
pub(super) struct Person {
    sub: String,
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) email_verified: Truth,
    pub(super) name: Option<String>,
}

impl OpenId {
    /// The issuer of that name; the address of its description will do.
    pub(super) fn new(name: &str, credential: Credential) -> Self {
        Self {
            issuer: name.strip_suffix(WELL_KNOWN).unwrap_or(name).to_owned(),
            credential,
            memory: Mutex::default(),
        }
    }

    /// What it says of itself; `now` is the time since 1970.
    pub(super) async fn description(
        &self,
        wire: &Wire,
        now: Duration,
    ) -> Result<Arc<Description>, IssuerError> {
        // One asks, the others wait for what it hears.
        let mut memory = self.memory.lock().await;
        self.describe(&mut memory, wire, now).await
    }

    async fn describe(
        &self,
        memory: &mut Memory,
        wire: &Wire,
        now: Duration,
    ) -> Result<Arc<Description>, IssuerError> {
        if let Some((description, at)) = &memory.description
            && now.saturating_sub(*at) < FRESH
        {
            return Ok(Arc::clone(description));
        }
        let address = format!("{}{WELL_KNOWN}", self.issuer.trim_end_matches('/'));
        let document: Document = wire.get(&wire.endpoint(&address)?, None).await?;
        // Whoever describes another issuer could speak for it.
        if document.issuer != self.issuer {
            return Err(IssuerError::failed("issuer"));
        }
        let names = |methods: &Option<Vec<String>>, name: &str| {
            let has = |methods: &Vec<String>| methods.iter().any(|method| method == name);
            methods.as_ref().map(has)
        };
        let person = document.userinfo_endpoint.as_deref();
        let methods = &document.token_endpoint_auth_methods_supported;
        let description = Arc::new(Description {
            authorization: wire.endpoint(&document.authorization_endpoint)?,
            token: wire.endpoint(&document.token_endpoint)?,
            keys: wire.endpoint(&document.jwks_uri)?,
            person: person.map(|text| wire.endpoint(text)).transpose()?,
            takes_basic: names(methods, "client_secret_basic").unwrap_or(true),
            binds_code: names(&document.code_challenge_methods_supported, "S256"),
            names_itself: document.authorization_response_iss_parameter_supported,
        });
        memory.description = Some((Arc::clone(&description), now));
        Ok(description)
    }

    /// What an identity token says, if it is the issuer's and as `expected`.
    pub(super) async fn read(
        &self,
        token: &str,
        wire: &Wire,
        expected: &Expected<'_>,
    ) -> Result<Claims, IssuerError> {
        let header = identity_token::header(token)?;
        let keys = self.keys_for(&header, wire, expected.now).await?;
        identity_token::read(token, &header, &keys, expected)
    }

    /// The issuer's keys; asked for when they are old, or when none of them fits.
    async fn keys_for(
        &self,
        header: &jsonwebtoken::Header,
        wire: &Wire,
        now: Duration,
    ) -> Result<Arc<Keys>, IssuerError> {
        let mut memory = self.memory.lock().await;
        if let Some((keys, at)) = &memory.keys {
            let age = now.saturating_sub(*at);
            let fits = keys.find(header).is_some();
            if age < ASK_AGAIN || (fits && age < FRESH) {
                return Ok(Arc::clone(keys));
            }
        }
        let description = self.describe(&mut memory, wire, now).await?;
        let written: Written = wire.get(&description.keys, None).await?;
        let keys = Arc::new(Keys::read(written));
        memory.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    /// What the issuer tells about whom the token names, where it tells more at all.
    pub(super) async fn person(
        &self,
        claims: &Claims,
        access_token: &str,
        wire: &Wire,
        now: Duration,
    ) -> Result<Option<Person>, IssuerError> {
        let description = self.description(wire, now).await?;
        let Some(address) = &description.person else {
            return Ok(None);
        };
        let person: Person = wire.get(address, Some(access_token)).await?;
        if person.sub == claims.sub {
            Ok(Some(person))
        } else {
            Err(IssuerError::refused("subject"))
        }
    }
}
