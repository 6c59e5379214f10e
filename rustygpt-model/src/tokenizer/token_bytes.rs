//! [`TokenBytes`]: the bytes of every token.

/// The bytes of every token, one after the other in one buffer.
#[derive(Debug, Default)]
pub(super) struct TokenBytes {
    bytes: Vec<u8>,
    /// Where each token ends; it begins where the one before it ends.
    ends: Vec<usize>,
}

impl TokenBytes {
    /// Adds the next token.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token; none for an id beyond the last.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else {
            return &[];
        };
        let start = id
            .checked_sub(1)
            .and_then(|id| self.ends.get(id))
            .copied()
            .unwrap_or(0);
        &self.bytes[start..end]
    }
}
