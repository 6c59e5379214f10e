//! API keys. Only their SHA-256 is kept: a key has 256 random bits, so a slow hash adds nothing.

use super::Caller;
use rustygpt_model::contract::CacheSalt;
use rustygpt_utils::random::{self, NoRandomness};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// A new key in the clear: shown once, then only its [`KeyDigest`] remains.
pub struct ApiKey(String);

impl ApiKey {
    /// What every key made here begins with, so that leaked ones are found by scanners.
    pub const PREFIX: &'static str = "sk-rustygpt-";

    /// Makes a key of 256 random bits.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system has none to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        use fmt::Write;
        let mut text = Self::PREFIX.to_owned();
        for byte in random::bytes::<32>()? {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The key in the clear.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(&self.0)
    }

    /// Enough of it to recognise it by, far too little to guess from: `sk-rustygpt-1a2b…`.
    #[must_use]
    pub fn hint(&self) -> String {
        let shown: String = self.0.chars().take(Self::PREFIX.len() + 4).collect();
        format!("{shown}…")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key in the clear.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Its bytes, as the store keeps them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether both are of one key; takes the same time for every answer.
    #[must_use]
    pub fn equals(&self, other: &[u8; 32]) -> bool {
        self.0.ct_eq(other).into()
    }

    /// A salt that belongs to the key and does not tell its digest.
    fn cache_salt(&self) -> CacheSalt {
        let mut hash = Sha256::new();
        hash.update(b"rustygpt prefix cache salt");
        hash.update(self.0);
        CacheSalt(hash.finalize().into())
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyDigest(…)")
    }
}

/// The keys that open the server.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    digests: Vec<KeyDigest>,
}

impl Keyring {
    /// A ring of these keys; an empty one opens for nobody.
    #[must_use]
    pub fn new(digests: impl IntoIterator<Item = KeyDigest>) -> Self {
        Self {
            digests: digests.into_iter().collect(),
        }
    }

    /// Who holds `key`, or `None`. Takes the same time for every wrong key and for every place on
    /// the ring.
    #[must_use]
    pub fn caller(&self, key: &str) -> Option<Caller> {
        let presented = KeyDigest::of(key);
        let mut found = subtle::Choice::from(0);
        let mut place = 0u64;
        for (index, digest) in self.digests.iter().enumerate() {
            let equal = digest.0.ct_eq(&presented.0);
            place.conditional_assign(&(index as u64), equal);
            found |= equal;
        }
        if !bool::from(found) {
            return None;
        }
        let digest = self.digests.get(usize::try_from(place).ok()?)?;
        Some(Caller::local_key(digest.cache_salt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_on_the_ring_open() {
        let (first, second) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let ring = Keyring::new([first.digest(), second.digest()]);
        let one = ring.caller(first.reveal()).unwrap();
        let two = ring.caller(second.reveal()).unwrap();
        assert_ne!(one.cache_salt(), two.cache_salt());
        for wrong in [
            "",
            "sk-rustygpt-",
            &first.reveal()[1..],
            &first.reveal().to_uppercase(),
        ] {
            assert_eq!(ring.caller(wrong), None, "{wrong}");
        }
        assert_eq!(Keyring::default().caller(""), None);
    }

    #[test]
    fn a_key_has_256_bits_and_never_shows_in_debug_output() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(key.reveal().len(), ApiKey::PREFIX.len() + 64);
        let shown = format!(
            "{key:?} {:?} {:?}",
            key.digest(),
            Keyring::new([key.digest()])
        );
        assert_eq!(
            shown,
            "ApiKey(…) KeyDigest(…) Keyring { digests: [KeyDigest(…)] }"
        );
    }
}
