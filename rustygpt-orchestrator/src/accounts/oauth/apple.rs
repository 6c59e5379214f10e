//! [`AppleKey`]: the key with which we prove to Apple who we are. Apple takes a token signed by it
//! where others take a secret ("Creating a client secret", Apple Developer Documentation).

use super::{InvalidIssuer, IssuerError};
use crate::accounts::signatures;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use std::time::Duration;

/// How long such a token holds: as long as one exchange takes, and clocks differ.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The key of a `.p8` file.
pub(super) struct AppleKey {
    team: String,
    key_id: String,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    aud: &'a str,
    sub: &'a str,
}

impl AppleKey {
    /// Reads the text of a `.p8` file.
    pub(super) fn read(team: String, key_id: String, text: &str) -> Result<Self, InvalidIssuer> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes());
        let key = key.map_err(|_| InvalidIssuer("its key is no PEM file of a private key"))?;
        let key = Self {
            team,
            key_id,
            key: EncodingKey::from_ec_der(key.secret_pkcs8_der()),
        };
        // Told now, not when the first person wants to sign in.
        let tried = key.secret("", "", Duration::ZERO);
        tried.map_err(|_| InvalidIssuer("its key is none of the curve P-256"))?;
        Ok(key)
    }

    /// A token that proves to `issuer` that we are `client`; `now` is the time since 1970.
    pub(super) fn secret(
        &self,
        issuer: &str,
        client: &str,
        now: Duration,
    ) -> Result<String, IssuerError> {
        signatures::use_ring();
        let header = Header {
            typ: None,
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        let claims = Claims {
            iss: &self.team,
            iat: now.as_secs(),
            exp: (now + LIFETIME).as_secs(),
            aud: issuer,
            sub: client,
        };
        let token = jsonwebtoken::encode(&header, &claims, &self.key);
        token.map_err(|error| IssuerError::unavailable("client secret", error))
    }
}
