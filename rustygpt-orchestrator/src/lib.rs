//! Every use-case: no HTTP is served, no SQL, no tensors.
//!
//! The first line of every use-case is [`access::authorize`]; what a caller may not see does not
//! exist for them.

pub mod access;
pub mod accounts;
pub mod chat;
pub mod embeddings;
mod error;
pub mod models;
pub mod settings;
pub mod tasks;
pub mod tokens;

pub use error::UseCaseError;
