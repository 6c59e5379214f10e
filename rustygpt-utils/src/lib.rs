//! Mechanics without a domain word: time, randomness, ids, tasks.
//!
//! Nothing here knows what a model, a message or an account is.

pub mod clock;
pub mod ids;
pub mod random;
pub mod tasks;
