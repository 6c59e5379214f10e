//! Time that only moves forward, as a parameter.

use rustygpt_utils::clock::{Clock, ManualClock};
use std::time::{Duration, Instant};

/// Measures durations and deadlines.
pub trait Monotonic: Send + Sync {
    /// Time since a moment that never changes.
    fn now(&self) -> Duration;
}

/// The operating system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemMonotonic {
    start: Instant,
}

impl Default for SystemMonotonic {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Monotonic for SystemMonotonic {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Monotonic for ManualClock {
    fn now(&self) -> Duration {
        self.since_epoch()
    }
}
