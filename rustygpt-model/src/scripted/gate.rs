//! [`Gate`]: lets a test decide when a step happens.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Lets a test decide when a scripted step happens: no step passes before it is let through.
/// Dropping the gate opens it for good, so that a failed test does not hang.
#[derive(Debug, Default)]
pub struct Gate {
    passage: Passage,
}

/// The model's side of a [`Gate`].
#[derive(Clone, Debug, Default)]
pub(super) struct Passage {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    arrived: u64,
    allowed: u64,
}

impl Gate {
    /// A gate that lets nothing through yet.
    #[must_use]
    pub fn closed() -> Self {
        Self::default()
    }

    /// Lets so many more steps through.
    pub fn open(&self, steps: u64) {
        let mut state = self.passage.state();
        state.allowed = state.allowed.saturating_add(steps);
        self.passage.shared.1.notify_all();
    }

    /// Lets all steps through from now on.
    pub fn open_for_good(&self) {
        self.open(u64::MAX);
    }

    /// Blocks until this many steps, since the start, have come to the gate: the last of them is
    /// planned and waits, if it was not let through.
    pub fn wait_for_arrival(&self, steps: u64) {
        let (_, changed) = &*self.passage.shared;
        let mut state = self.passage.state();
        while state.arrived < steps {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn passage(&self) -> Passage {
        self.passage.clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open_for_good();
    }
}

impl Passage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be let through.
    pub(super) fn pass(&self) {
        let (_, changed) = &*self.shared;
        let mut state = self.state();
        state.arrived += 1;
        let number = state.arrived;
        changed.notify_all();
        while state.allowed < number {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
