//! The proof of the contract, once for both homes, and what each home promises beside it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking and say aloud what they skip"
)]

mod conformance;
mod killed;
mod postgres;
mod sqlite;
