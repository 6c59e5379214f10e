//! How far the loading of a model is, in the log.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Says from time to time how much of a model was packed: a large one on a cold disk takes minutes.
pub(super) struct Progress {
    total: u64,
    done: Cell<u64>,
    said: Cell<Instant>,
}

impl Progress {
    const INTERVAL: Duration = Duration::from_secs(2);

    /// Of `total` bytes none is packed yet.
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            done: Cell::new(0),
            said: Cell::new(Instant::now()),
        }
    }

    /// So many bytes more are packed.
    pub(super) fn add(&self, bytes: u64) {
        let done = self.done.get().saturating_add(bytes);
        self.done.set(done);
        if self.said.get().elapsed() >= Self::INTERVAL {
            self.said.set(Instant::now());
            let percent = 100 * done / self.total.max(1);
            tracing::info!(percent, bytes = done, total = self.total, "packing weights");
        }
    }
}
