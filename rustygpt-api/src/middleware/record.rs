//! [`Record`]: what a handler tells the request's one log line.

use rustygpt_orchestrator::accounts::{Authenticated, Reservation};
use std::sync::{Arc, Mutex, PoisonError};

/// What a handler tells the request's one log line. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Facts>>);

/// What is known of one request beside its head. Never prompt text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Whose account pays for it.
    pub(crate) who: Option<Authenticated>,
    /// Their place in their quota.
    pub(crate) reservation: Option<Reservation>,
    /// The model that answers.
    pub(crate) model: Option<String>,
    /// Whether the answer is streamed.
    pub(crate) is_stream: Option<bool>,
    /// Tokens read.
    pub(crate) prompt_tokens: Option<u64>,
    /// Tokens written.
    pub(crate) completion_tokens: Option<u64>,
    /// Parameters that had no effect or a different one.
    pub(crate) ignored: Vec<String>,
    /// Why a stream broke off.
    pub(crate) broke_off: Option<String>,
}

impl Record {
    /// Adds to what is known.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Facts)) {
        // A panic while noting leaves at worst a missing number.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is known so far.
    pub(crate) fn facts(&self) -> Facts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
