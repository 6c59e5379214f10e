//! [`Keys`]: what an issuer signs with (RFC 7517), each good for one algorithm.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;

/// An issuer has a handful.
const MOST: usize = 64;

/// The keys of an issuer.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// As the issuer writes them.
#[derive(Deserialize)]
pub(super) struct Written {
    keys: Vec<Value>,
}

impl Keys {
    /// The keys among them that sign in a way we accept.
    pub(super) fn read(written: Written) -> Self {
        let keys = written.keys.into_iter().take(MOST);
        Self(
            keys.filter_map(|key| Key::read(serde_json::from_value(key).ok()?))
                .collect(),
        )
    }

    /// The key that signed what has this header. Without a name it must be the only one of its
    /// kind.
    pub(super) fn find(&self, header: &Header) -> Option<&DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| {
            let is_named = header.kid.is_none() || key.id == header.kid;
            is_named && key.algorithm == header.alg
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(&key.key),
            _ => None,
        }
    }
}

impl Key {
    fn read(key: Jwk) -> Option<Self> {
        let (algorithm, name) = match &key.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            _ => return None,
        };
        let signs = matches!(
            key.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        );
        let is_for_it = key.common.key_algorithm.is_none_or(|other| other == name);
        let decoding = DecodingKey::from_jwk(&key).ok()?;
        (signs && is_for_it).then_some(Self {
            id: key.common.key_id,
            algorithm,
            key: decoding,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(fields: &Value) -> Value {
        let mut key = json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"});
        for (name, value) in fields.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn finds(keys: Vec<Value>, algorithm: Algorithm, id: Option<&str>) -> bool {
        let header = Header {
            kid: id.map(str::to_owned),
            ..Header::new(algorithm)
        };
        Keys::read(Written { keys }).find(&header).is_some()
    }

    #[test]
    fn a_key_is_good_for_its_own_algorithm_alone() {
        use Algorithm::{ES256, HS256, RS256, RS512};
        let point = json!({"kty": "EC", "crv": "P-256", "kid": "e", "x": "AQAB", "y": "AQAB"});
        let keys = || vec![key(&json!({})), point.clone()];
        assert!(finds(keys(), RS256, Some("a")) && finds(keys(), ES256, Some("e")));
        assert!(finds(keys(), RS256, None) && finds(keys(), ES256, None));
        for (algorithm, id) in [
            (RS256, "e"),
            (ES256, "a"),
            (HS256, "a"),
            (RS512, "a"),
            (RS256, "b"),
        ] {
            assert!(!finds(keys(), algorithm, Some(id)), "{algorithm:?} {id}");
        }
        for unfit in [
            json!({"use": "enc"}),
            json!({"alg": "RS512"}),
            json!({"alg": "ES256"}),
            json!({"kty": "oct", "k": "AQAB"}),
            json!({"kty": "EC", "crv": "P-384", "x": "AQAB", "y": "AQAB"}),
        ] {
            assert!(!finds(vec![key(&unfit)], RS256, Some("a")), "{unfit}");
        }
        let twice = vec![key(&json!({})), key(&json!({}))];
        assert!(!finds(twice.clone(), RS256, None) && !finds(twice, RS256, Some("a")));
    }
}
