//! GGUF, versions 2 and 3, little-endian (specification: ggml/docs/gguf.md).
//!
//! [`Header::read`] proves a whole header: nothing is allocated before the file is known to hold
//! it, every product and sum is checked, and everything decoded together stays within
//! [`METADATA_BUDGET`].

mod cursor;
mod header;
mod values;

pub use header::{Header, Split};

/// Bytes that a header may cost in memory once decoded. The largest real ones (a vocabulary of
/// 260 thousand tokens with its merges) take some 40 MiB.
pub const METADATA_BUDGET: u64 = 512 << 20;
