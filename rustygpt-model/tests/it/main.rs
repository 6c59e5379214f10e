//! Tests of the crate from outside, in one binary.

#![cfg_attr(
    feature = "candle",
    expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test that cannot go on has failed"
    )
)]

#[cfg(feature = "candle")]
mod goldens;
mod tokenizer_vectors;
