//! Tests of the crate from outside, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(feature = "candle")]
mod goldens;
mod tokenizer_vectors;
