//! The proof of the contract, once for both homes, and what each home promises beside it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod conformance;
mod killed;
mod postgres;
mod sqlite;
