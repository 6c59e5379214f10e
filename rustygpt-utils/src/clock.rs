//! Time as a parameter, so that tests choose it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Time since 1970-01-01T00:00:00Z.
    fn since_epoch(&self) -> Duration;

    /// Whole seconds since the epoch, as OpenAI's `created` fields want them.
    fn unix_seconds(&self) -> u64 {
        self.since_epoch().as_secs()
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's clock"
    )]
    fn since_epoch(&self) -> Duration {
        // A clock before 1970 reads as 1970: nothing sensible can be made of it.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// A clock that stands until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock {
    milliseconds: AtomicU64,
}

impl ManualClock {
    /// Starts at the given time since the epoch.
    #[must_use]
    pub fn at(since_epoch: Duration) -> Self {
        Self {
            milliseconds: AtomicU64::new(saturating_milliseconds(since_epoch)),
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.milliseconds
            .fetch_add(saturating_milliseconds(by), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn since_epoch(&self) -> Duration {
        Duration::from_millis(self.milliseconds.load(Ordering::Relaxed))
    }
}

fn saturating_milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Duration::from_secs(5));
        assert_eq!(clock.unix_seconds(), 5);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.since_epoch(), Duration::from_millis(6500));
    }
}
