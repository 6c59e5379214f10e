//! What the engine thread and its handles tell each other without locks.

use super::EngineStatus;
use crate::contract::ModelError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Numbers written by the engine thread (places: by the handles) and read by everyone.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Choices of all requests that have a place and have not finished.
    outstanding: AtomicUsize,
    pub(super) running: AtomicUsize,
    pub(super) kv_blocks_used: AtomicUsize,
    pub(super) kv_blocks_kept: AtomicUsize,
    pub(super) steps: AtomicU64,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) completion_tokens: AtomicU64,
    pub(super) cached_prompt_tokens: AtomicU64,
    pub(super) guesses: AtomicU64,
    pub(super) guesses_come_true: AtomicU64,
    pub(super) preemptions: AtomicU64,
    /// `f64` bits.
    pub(super) tokens_per_second: AtomicU64,
    /// `f64` bits: how long a choice lately ran.
    pub(super) seconds_per_choice: AtomicU64,
    stopped: OnceLock<String>,
}

impl Counters {
    /// Notes why the engine stopped; the first reason stays.
    pub(super) fn stop(&self, reason: &str) {
        let _ = self.stopped.set(reason.to_owned());
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get().is_some()
    }

    /// The error for a request to an engine that does not run.
    pub(super) fn stopped_error(&self) -> ModelError {
        let reason = self
            .stopped
            .get()
            .map_or("its engine ended unexpectedly", String::as_str);
        ModelError::Stopped {
            reason: reason.to_owned(),
        }
    }

    fn waiting(&self) -> usize {
        self.outstanding
            .load(Relaxed)
            .saturating_sub(self.running.load(Relaxed))
    }

    /// Whole seconds until a place is likely to be free: a slot's usual time for a choice, shared
    /// by the slots that work at once.
    fn seconds_until_a_place(&self, slots: usize) -> u64 {
        let seconds = f64::from_bits(self.seconds_per_choice.load(Relaxed)) / slots.max(1) as f64;
        (seconds.ceil() as u64).clamp(1, 60)
    }

    pub(super) fn status(&self, slots: usize, kv_blocks_total: usize) -> EngineStatus {
        EngineStatus {
            running: self.running.load(Relaxed),
            waiting: self.waiting(),
            slots,
            kv_blocks_used: self.kv_blocks_used.load(Relaxed),
            kv_blocks_kept: self.kv_blocks_kept.load(Relaxed),
            kv_blocks_total,
            steps: self.steps.load(Relaxed),
            prompt_tokens_total: self.prompt_tokens.load(Relaxed),
            completion_tokens_total: self.completion_tokens.load(Relaxed),
            cached_prompt_tokens_total: self.cached_prompt_tokens.load(Relaxed),
            guesses_total: self.guesses.load(Relaxed),
            guesses_come_true_total: self.guesses_come_true.load(Relaxed),
            preemptions_total: self.preemptions.load(Relaxed),
            tokens_per_second: f64::from_bits(self.tokens_per_second.load(Relaxed)),
            stopped: self.stopped.get().cloned(),
        }
    }
}

/// Room for a request's choices in the engine; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    counters: Arc<Counters>,
    held: usize,
}

impl Place {
    /// Takes room for `choices`, of which `slots` run and `queue_limit` wait at most. A request of
    /// more choices than there is room for at all gets in when nobody else is there.
    pub(super) fn take(
        counters: &Arc<Counters>,
        choices: usize,
        slots: usize,
        queue_limit: usize,
    ) -> Result<Self, ModelError> {
        let room = slots.saturating_add(queue_limit);
        let held = choices.min(room);
        counters
            .outstanding
            .fetch_update(Relaxed, Relaxed, |outstanding| {
                outstanding.checked_add(held).filter(|&sum| sum <= room)
            })
            .map_err(|_| ModelError::QueueFull {
                waiting: counters.waiting(),
                retry_after_seconds: counters.seconds_until_a_place(slots),
            })?;
        Ok(Self {
            counters: Arc::clone(counters),
            held,
        })
    }

    /// Gives back what more than `choices` need.
    pub(super) fn shrink_to(&mut self, choices: usize) {
        let surplus = self.held.saturating_sub(choices);
        self.held -= surplus;
        self.counters.outstanding.fetch_sub(surplus, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let counters = Arc::new(Counters::default());
        let mut first = Place::take(&counters, 2, 2, 1).unwrap();
        assert!(Place::take(&counters, 2, 2, 1).is_err());
        let _second = Place::take(&counters, 1, 2, 1).unwrap();
        first.shrink_to(1);
        drop(Place::take(&counters, 1, 2, 1).unwrap());
        drop(Place::take(&counters, 1, 2, 1).unwrap());
    }

    #[test]
    fn a_request_too_large_for_the_queue_runs_when_it_is_alone() {
        let counters = Arc::new(Counters::default());
        let alone = Place::take(&counters, 99, 2, 1).unwrap();
        assert!(Place::take(&counters, 1, 2, 1).is_err());
        drop(alone);
        assert_eq!(counters.waiting(), 0);
    }

    #[test]
    fn the_hint_when_to_come_back_follows_the_measured_speed() {
        let counters = Counters::default();
        assert_eq!(counters.seconds_until_a_place(4), 1);
        counters.seconds_per_choice.store(30f64.to_bits(), Relaxed);
        assert_eq!(counters.seconds_until_a_place(4), 8);
    }
}
