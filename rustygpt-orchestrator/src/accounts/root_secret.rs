//! The server's root secret, from which every other key of ours is derived: those that sign access
//! tokens and the one that seals what must not lie in the store in the clear.
//!
//! It lies beside the store, never in it: who reads a copy of the store learns no second factor
//! and can sign nothing.

use ring::{aead, hmac};
use rustygpt_utils::random::{self, NoRandomness};
use std::fmt;

/// Bytes of a root secret.
pub const ROOT_BYTES: usize = 32;
const ID_BYTES: usize = 4;

/// The root secret of today, and those before it, which still open what they sealed.
pub struct RootSecrets {
    current: RootSecret,
    former: Vec<RootSecret>,
}

/// One root secret.
pub(super) struct RootSecret {
    key: hmac::Key,
    /// Tells which secret was used, and nothing about it.
    id: [u8; ID_BYTES],
}

impl RootSecrets {
    /// Takes over secrets of 256 random bits each.
    #[must_use]
    pub fn new(
        current: [u8; ROOT_BYTES],
        former: impl IntoIterator<Item = [u8; ROOT_BYTES]>,
    ) -> Self {
        Self {
            current: RootSecret::new(&current),
            former: former
                .into_iter()
                .map(|secret| RootSecret::new(&secret))
                .collect(),
        }
    }

    /// Makes a secret that lasts as long as this process, for tests and for servers that keep none.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system has none to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self::new(random::bytes()?, []))
    }

    pub(super) fn current(&self) -> &RootSecret {
        &self.current
    }

    pub(super) fn find(&self, id: &str) -> Option<&RootSecret> {
        std::iter::once(&self.current)
            .chain(&self.former)
            .find(|secret| secret.id() == id)
    }

    /// Encrypts and authenticates `plain` (ChaCha20-Poly1305). `context` says what it is and whose,
    /// so that a sealed text cannot be moved to another row.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system has none to give.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let nonce: [u8; aead::NONCE_LEN] = random::bytes()?;
        let mut sealed = Vec::with_capacity(ID_BYTES + nonce.len() + plain.len() + 16);
        sealed.extend_from_slice(&self.current.id);
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let key = self.current.sealing_key();
        let tag = key.and_then(|key| {
            key.seal_in_place_separate_tag(nonce, aead::Aad::from(context.as_bytes()), &mut body)
                .ok()
        });
        // The cipher refuses only texts of more than 256 GiB; nothing sealed is then nothing kept.
        let Some(tag) = tag else {
            return Ok(Vec::new());
        };
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed for `context`; `None` if it was changed, was sealed for something else, or
    /// by a secret that is not here any more.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = sealed.split_at_checked(ID_BYTES)?;
        let (nonce, body) = rest.split_at_checked(aead::NONCE_LEN)?;
        let secret = std::iter::once(&self.current)
            .chain(&self.former)
            .find(|secret| secret.id == id)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let aad = aead::Aad::from(context.as_bytes());
        let plain = secret
            .sealing_key()?
            .open_in_place(nonce, aad, &mut body)
            .ok()?;
        Some(plain.to_vec())
    }
}

impl fmt::Debug for RootSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RootSecrets({} former)", self.former.len())
    }
}

impl RootSecret {
    fn new(secret: &[u8; ROOT_BYTES]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"rustygpt root secret id");
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&tag.as_ref()[..ID_BYTES]);
        Self { key, id }
    }

    /// The id as text.
    pub(super) fn id(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A key for one purpose: a pseudo-random function of its label, as in HKDF's expansion.
    pub(super) fn derive(&self, label: &str) -> hmac::Tag {
        hmac::sign(&self.key, label.as_bytes())
    }

    fn sealing_key(&self) -> Option<aead::LessSafeKey> {
        let key = self.derive("rustygpt sealing key");
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key.as_ref()).ok()?;
        Some(aead::LessSafeKey::new(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_whole_in_its_place_and_by_its_secret() {
        let old = RootSecrets::new([1; 32], []);
        let sealed = old.seal("totp of ada", b"secret").unwrap();
        assert_ne!(sealed, old.seal("totp of ada", b"secret").unwrap());
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(old.open("totp of ada", &sealed).unwrap(), b"secret");
        let rotated = RootSecrets::new([2; 32], [[1; 32]]);
        assert_eq!(rotated.open("totp of ada", &sealed).unwrap(), b"secret");
        assert_eq!(old.open("totp of bob", &sealed), None);
        assert_eq!(
            RootSecrets::new([2; 32], []).open("totp of ada", &sealed),
            None
        );
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(old.open("totp of ada", &changed), None, "byte {place}");
            assert_eq!(old.open("totp of ada", &sealed[..place]), None);
        }
    }
}
