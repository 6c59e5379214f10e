//! [`BlockKey`]: the name of what a full block of the cache holds.

use crate::contract::CacheSalt;
use sha2::{Digest, Sha256};

/// The name of what a full block of the cache holds: a SHA-256 over its tokens, the name of the
/// block before it, and, at the root, the tenant's salt. Equal names mean an equal text from the
/// first token on, of the same tenant, read with the same rotary frequencies; a tenant cannot even
/// make a name of another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey([u8; 32]);

impl BlockKey {
    /// The name before any block: what a tenant's first blocks are chained to.
    #[must_use]
    pub fn root(salt: &CacheSalt) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rustygpt key/value block");
        hash.update(salt.0);
        Self(hash.finalize().into())
    }

    /// The name that has these bytes, as [`Self::bytes`] gave them.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the name.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name of the block that follows this one and holds `tokens`. `regime` tells apart blocks
    /// whose tokens are read alike but computed differently (LongRoPE's two sets of frequencies).
    #[must_use]
    pub fn followed_by(&self, tokens: &[u32], regime: u8) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update([regime]);
        for token in tokens {
            hash.update(token.to_le_bytes());
        }
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_tenant_past_tokens_and_regime() {
        let root = BlockKey::root(&CacheSalt::default());
        let names = [
            root,
            BlockKey::root(&CacheSalt([1; 32])),
            root.followed_by(&[1, 2], 0),
            root.followed_by(&[2, 1], 0),
            root.followed_by(&[1, 2], 1),
            root.followed_by(&[1, 2], 0).followed_by(&[1, 2], 0),
            BlockKey::root(&CacheSalt([1; 32])).followed_by(&[1, 2], 0),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{index}");
        }
        assert_eq!(root.followed_by(&[1, 2], 0), names[2]);
    }
}
