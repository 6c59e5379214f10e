//! [`Cursor`]: checked reading from a byte slice within a budget.

use crate::weights::Malformed;

/// Reads little-endian values; counts what the decoded ones cost.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    budget: u64,
}

impl<'a> Cursor<'a> {
    /// Begins at the first byte.
    pub(super) fn new(bytes: &'a [u8], budget: u64) -> Self {
        Self {
            bytes,
            position: 0,
            budget,
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Bytes left.
    pub(super) fn remaining(&self) -> u64 {
        (self.bytes.len() - self.position) as u64
    }

    /// Takes memory out of the budget, before it is allocated.
    pub(super) fn spend(&mut self, bytes: u64, what: &str) -> Result<(), Malformed> {
        self.budget = self.budget.checked_sub(bytes).ok_or_else(|| {
            Malformed(format!(
                "{what}: the header needs more memory than {} MiB",
                super::METADATA_BUDGET >> 20
            ))
        })?;
        Ok(())
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: u64, what: &str) -> Result<&'a [u8], Malformed> {
        let left = self.remaining();
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| {
                self.bytes
                    .get(self.position..self.position.checked_add(length)?)
            })
            .ok_or_else(|| {
                Malformed(format!(
                    "{what}: {length} bytes are claimed where the file has {left} left; it is \
                     truncated or broken"
                ))
            })?;
        self.position += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    /// The next u32.
    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// The next u64.
    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// The next string: its length in bytes, then UTF-8. Spends what it costs.
    pub(super) fn string(&mut self, longest: u64, what: &str) -> Result<String, Malformed> {
        let length = self.u64(what)?;
        if length > longest {
            return Err(Malformed(format!(
                "{what}: a string of {length} bytes; {longest} are the most"
            )));
        }
        let bytes = self.take(length, what)?;
        // What the allocator rounds up to and keeps for itself comes on top.
        self.spend(length + 16, what)?;
        // Copied before it is judged: a mapped file may change in between.
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Malformed(format!("{what}: text that is not UTF-8")))
    }

    /// A count of things of which each takes at least `smallest` bytes of the file. Refuses what
    /// the file cannot hold.
    pub(super) fn count(&mut self, smallest: u64, what: &str) -> Result<u64, Malformed> {
        let count = self.u64(what)?;
        let left = self.remaining();
        match count.checked_mul(smallest) {
            Some(bytes) if bytes <= left => Ok(count),
            _ => Err(Malformed(format!(
                "{what}: {count} are claimed where the file has {left} bytes left; it is truncated \
                 or broken"
            ))),
        }
    }
}
