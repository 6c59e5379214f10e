//! What RustyGPT remembers: one contract ([`store`]), two homes, one proof.
//!
//! Each method of the contract is one atomic act: it happens whole or not at all, and what it
//! tells the audit log and the task queue happens with it. Nothing outside this crate says SQL;
//! nothing in it decides who may do what, hashes a password or reads a clock.

pub mod audit_chain;
pub mod audit_file;
pub mod backoff;
mod faults;
mod migrations;
mod periods;
pub mod postgres;
pub mod recurrence;
mod rows;
pub mod sqlite;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod words;
