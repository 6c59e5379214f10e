//! Access tokens: short-lived JWTs (RFC 7519) that name an account's sign-in.
//!
//! Made and read by us alone, so the algorithm is pinned to HS256 and the header to the one we
//! write. The clock is the house's, so that the crate is not asked about times.
//!
//! A token proves who signed in, not what they may do: role and validity are looked up with every
//! request, so that a revoked sign-in ends at once and not when its token expires.

use super::root_secret::{RootSecret, RootSecrets};
use super::signatures;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use std::time::Duration;

/// How long a token holds.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// A new signing key is derived this often.
const KEY_SECONDS: u64 = 24 * 60 * 60;
/// How far ahead the clock of another server on the same store may be.
const CLOCK_SKEW_SECONDS: u64 = 30;
/// A longer text is not looked at.
const LONGEST: usize = 2048;
const ALGORITHM: Algorithm = Algorithm::HS256;
const KIND: &str = "at+jwt";
const ISSUER: &str = "rustygpt";
const AUDIENCE: &str = "rustygpt-api";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccessClaims {
    /// The account.
    pub account: String,
    /// The sign-in it belongs to.
    pub sign_in: String,
    /// When it expires, in seconds since 1970.
    pub expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: u64,
    exp: u64,
}

/// Signs and reads access tokens.
#[derive(Debug)]
pub(super) struct AccessTokens<'a> {
    secrets: &'a RootSecrets,
}

impl<'a> AccessTokens<'a> {
    /// Tokens signed by keys that are derived from `secrets`.
    #[must_use]
    pub(super) fn new(secrets: &'a RootSecrets) -> Self {
        signatures::use_ring();
        Self { secrets }
    }

    /// A token for a sign-in; `now` is the time since 1970.
    #[must_use]
    pub(super) fn issue(&self, account: &str, sign_in: &str, now: Duration) -> String {
        let now = now.as_secs();
        let secret = self.secrets.current();
        let period = now / KEY_SECONDS;
        let header = header(format!("{}.{period}", secret.id()));
        let body = Body {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: account.to_owned(),
            sid: sign_in.to_owned(),
            iat: now,
            exp: now + LIFETIME.as_secs(),
        };
        let key = EncodingKey::from_secret(signing_key(secret, period).as_ref());
        // Plain structs of texts and whole numbers always serialise; an empty token opens nothing.
        jsonwebtoken::encode(&header, &body, &key).unwrap_or_default()
    }

    /// What a token says, if it is one of ours and holds at `now`.
    #[must_use]
    pub(super) fn read(&self, token: &str, now: Duration) -> Option<AccessClaims> {
        static VALIDATION: LazyLock<Validation> = LazyLock::new(validation);
        if token.len() > LONGEST {
            return None;
        }
        let now = now.as_secs();
        let presented = jsonwebtoken::decode_header(token).ok()?;
        let key_id = presented.kid.as_deref()?;
        let (id, period) = key_id.split_once('.')?;
        let period: u64 = period.parse().ok()?;
        // Only the keys that a token which still holds can have been signed with.
        let present = (now + CLOCK_SKEW_SECONDS) / KEY_SECONDS;
        if period > present || period + 1 < present {
            return None;
        }
        // Another algorithm, a key that comes along, critical extensions: none of it is ours.
        if presented != header(key_id.to_owned()) {
            return None;
        }
        let key = signing_key(self.secrets.find(id)?, period);
        let key = DecodingKey::from_secret(key.as_ref());
        let body: Body = jsonwebtoken::decode(token, &key, &VALIDATION).ok()?.claims;
        let lasts = body.exp.saturating_sub(body.iat);
        let holds = body.iat <= now + CLOCK_SKEW_SECONDS
            && now < body.exp
            && (1..=LIFETIME.as_secs()).contains(&lasts);
        holds.then_some(AccessClaims {
            account: body.sub,
            sign_in: body.sid,
            expires_at: body.exp,
        })
    }
}

/// Whether a bearer credential has the form of a token rather than of a key.
#[must_use]
pub(super) fn looks_like_token(text: &str) -> bool {
    text.starts_with("ey") && text.bytes().filter(|&byte| byte == b'.').count() == 2
}

/// The one header that our tokens have.
fn header(key_id: String) -> Header {
    Header {
        typ: Some(KIND.to_owned()),
        kid: Some(key_id),
        ..Header::new(ALGORITHM)
    }
}

/// What the crate checks: the algorithm, the issuer and the audience.
fn validation() -> Validation {
    let mut validation = Validation::new(ALGORITHM);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // By the system's clock; `read` goes by the house's.
    validation.validate_exp = false;
    validation
}

fn signing_key(secret: &RootSecret, period: u64) -> ring::hmac::Tag {
    secret.derive(&format!("rustygpt access token key {period}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::hmac;
    use serde_json::{Value, json};

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn issued(secrets: &RootSecrets) -> String {
        AccessTokens::new(secrets).issue("ada", "sign-in", NOW)
    }

    fn part(token: &str, index: usize) -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// Signs any header and body as we would.
    fn forged(secrets: &RootSecrets, header: &Value, body: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(body));
        let period = NOW.as_secs() / KEY_SECONDS;
        let key = signing_key(secrets.current(), period);
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        let tag = hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    #[test]
    fn a_token_holds_ten_minutes() {
        let secrets = RootSecrets::new([7; 32], []);
        let token = issued(&secrets);
        assert!(looks_like_token(&token));
        let tokens = AccessTokens::new(&secrets);
        let at = |seconds: i64| {
            let now = NOW.as_secs().saturating_add_signed(seconds);
            tokens.read(&token, Duration::from_secs(now))
        };
        let claims = at(0).unwrap();
        assert_eq!(
            (claims.account.as_str(), claims.sign_in.as_str()),
            ("ada", "sign-in")
        );
        assert_eq!(claims.expires_at, NOW.as_secs() + 600);
        assert!(at(599).is_some() && at(-30).is_some());
        assert!(at(600).is_none() && at(-31).is_none() && at(86_400 * 3).is_none());
    }

    #[test]
    fn tokens_outlive_a_change_of_keys_and_not_the_loss_of_the_secret() {
        let old = RootSecrets::new([7; 32], []);
        let midnight = Duration::from_secs(NOW.as_secs() / KEY_SECONDS * KEY_SECONDS);
        let before = midnight - Duration::from_secs(60);
        let token = AccessTokens::new(&old).issue("ada", "s", before);
        assert!(AccessTokens::new(&old).read(&token, midnight).is_some());
        let next = AccessTokens::new(&old).issue("ada", "s", midnight);
        assert_ne!(part(&token, 0)["kid"], part(&next, 0)["kid"]);
        let rotated = RootSecrets::new([8; 32], [[7; 32]]);
        assert!(AccessTokens::new(&rotated).read(&token, midnight).is_some());
        let lost = RootSecrets::new([8; 32], []);
        assert!(AccessTokens::new(&lost).read(&token, midnight).is_none());
    }

    #[test]
    fn every_changed_token_is_refused() {
        let secrets = RootSecrets::new([7; 32], []);
        let tokens = AccessTokens::new(&secrets);
        let token = issued(&secrets);
        let (header, body) = (part(&token, 0), part(&token, 1));
        assert!(
            tokens
                .read(&forged(&secrets, &header, &body), NOW)
                .is_some()
        );
        let with = |value: &Value, name: &str, new: Value| {
            let mut value = value.clone();
            value[name] = new;
            value
        };
        let headers = [
            with(&header, "alg", json!("none")),
            with(&header, "alg", json!("HS512")),
            with(&header, "alg", json!("hs256")),
            with(&header, "typ", json!("JWT")),
            with(&header, "kid", json!("")),
            with(&header, "kid", json!("00000000.20833")),
            with(&header, "kid", json!("../../etc/passwd")),
            with(&header, "crit", json!(["exp"])),
            with(&header, "jwk", json!({"kty": "oct", "k": ""})),
            json!({"alg": "HS256"}),
        ];
        for header in headers {
            assert!(
                tokens
                    .read(&forged(&secrets, &header, &body), NOW)
                    .is_none(),
                "{header}"
            );
        }
        let now = NOW.as_secs();
        let bodies = [
            with(&body, "iss", json!("other")),
            with(&body, "aud", json!("other")),
            with(&body, "aud", json!(["rustygpt-api"])),
            with(&body, "exp", json!(now)),
            with(&body, "exp", json!(now + 86_400)),
            with(&body, "exp", json!("never")),
            with(&body, "exp", json!(u64::MAX)),
            with(&body, "iat", json!(now + 31)),
            with(&body, "iat", json!(-1)),
            with(&body, "role", json!("admin")),
            json!({}),
        ];
        for body in bodies {
            assert!(
                tokens
                    .read(&forged(&secrets, &header, &body), NOW)
                    .is_none(),
                "{body}"
            );
        }
        let mut texts = vec![
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            token.trim_end_matches(|c| c != '.').to_owned(),
            format!("{token}."),
            format!("{token}=="),
            format!(".{token}"),
            "e".repeat(5000),
        ];
        // One changed symbol anywhere. The last one of a part carries unused bits, which strict
        // decoding refuses too.
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            texts.push(String::from_utf8(bytes).unwrap());
        }
        for text in texts {
            assert!(tokens.read(&text, NOW).is_none(), "{text}");
        }
        assert!(
            AccessTokens::new(&RootSecrets::new([9; 32], []))
                .read(&token, NOW)
                .is_none()
        );
    }
}
