//! Identity tokens: what an OpenID Connect issuer signs of somebody (OpenID Connect Core 1.0,
//! sections 2 and 3.1.3.7).
//!
//! The signature, its algorithm, the issuer and the audience are the `jsonwebtoken` crate's to
//! check; times go by the house's clock.

use super::IssuerError;
use super::keys::Keys;
use crate::accounts::signatures;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How far the issuer's clock and ours may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// A longer token is not looked at.
const LONGEST: usize = 16 << 10;
/// The algorithms that are accepted; each key is good for one of them alone.
pub(super) const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    /// The access token that came with it.
    pub(super) access_token: &'a str,
    /// The time since 1970.
    pub(super) now: Duration,
}

/// What a token says.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    iss: String,
    aud: Audience,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    azp: Option<String>,
    nonce: Option<String>,
    at_hash: Option<String>,
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) email_verified: Truth,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Yes or no; Apple writes it as a text.
#[derive(Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Truth {
    Plain(bool),
    Written(String),
    #[default]
    Unsaid,
}

impl Truth {
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Plain(is_true) => *is_true,
            Self::Written(text) => text == "true",
            Self::Unsaid => false,
        }
    }
}

/// The header of a token whose signature can be looked for.
pub(super) fn header(token: &str) -> Result<Header, IssuerError> {
    if token.len() > LONGEST {
        return Err(IssuerError::refused("size"));
    }
    let header = jsonwebtoken::decode_header(token);
    let header = header.map_err(|_| IssuerError::refused("form"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(IssuerError::refused("algorithm"));
    }
    if header.crit.is_some() {
        return Err(IssuerError::refused("critical"));
    }
    Ok(header)
}

/// What a token says, if one of `keys` signed it and it is meant for us, now and for this sign-in.
pub(super) fn read(
    token: &str,
    header: &Header,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Claims, IssuerError> {
    signatures::use_ring();
    let key = keys.find(header).ok_or(IssuerError::refused("key"))?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation);
    let claims = claims
        .map_err(|error| IssuerError::refused(flaw(&error)))?
        .claims;
    match check(&claims, expected) {
        None => Ok(claims),
        Some(flaw) => Err(IssuerError::refused(flaw)),
    }
}

/// What is wrong with a token, in a word for the log.
fn flaw(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidAlgorithm | ErrorKind::MissingAlgorithm => "algorithm",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        _ => "form",
    }
}

fn check(claims: &Claims, expected: &Expected<'_>) -> Option<&'static str> {
    // The crate takes a list for an issuer; there is one.
    if claims.iss != expected.issuer {
        return Some("issuer");
    }
    let is_ours = match &claims.aud {
        Audience::One(audience) => audience == expected.client,
        // Somebody else can show a token that is meant for them too: it must say whom it was
        // made for.
        Audience::Many(all) if all.len() > 1 && claims.azp.is_none() => {
            return Some("authorised party");
        }
        Audience::Many(all) => all.iter().any(|audience| audience == expected.client),
    };
    if !is_ours {
        return Some("audience");
    }
    if claims
        .azp
        .as_deref()
        .is_some_and(|party| party != expected.client)
    {
        return Some("authorised party");
    }
    let (now, skew) = (expected.now.as_secs_f64(), CLOCK_SKEW.as_secs_f64());
    if claims.exp <= now - skew {
        return Some("expired");
    }
    if claims.iat > now + skew || claims.nbf.is_some_and(|from| from > now + skew) {
        return Some("not yet");
    }
    let nonce = claims.nonce.as_deref().unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Some("nonce");
    }
    if claims
        .at_hash
        .as_deref()
        .is_some_and(|hash| hash != hash_of(expected.access_token))
    {
        return Some("access token");
    }
    if claims.sub.is_empty() || claims.sub.len() > 255 {
        return Some("subject");
    }
    None
}

/// The left half of an access token's SHA-256: both algorithms go with that.
fn hash_of(access_token: &str) -> String {
    let digest = Sha256::digest(access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..16])
}
