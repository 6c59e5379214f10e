//! Mechanics without a domain word: time, randomness, ids, tasks, folders, log lines.
//!
//! Nothing here knows what a model, a message or an account is.

pub mod clock;
pub mod ids;
pub mod paths;
pub mod random;
pub mod tasks;
pub mod telemetry;
