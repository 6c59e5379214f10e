//! Mechanics without a domain word: time, dates, randomness, ids, tasks, folders, log lines.
//!
//! Nothing here knows what a model, a message or an account is.

pub mod calendar;
pub mod clock;
pub mod ids;
pub mod paths;
pub mod random;
pub mod tasks;
pub mod telemetry;
