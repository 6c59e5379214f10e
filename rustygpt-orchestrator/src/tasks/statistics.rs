//! What the worker of this process has done, for the metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was done, by kind.
#[derive(Debug, Default)]
pub struct Statistics {
    kinds: BTreeMap<&'static str, Counters>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) claimed: Count,
    pub(super) done: Count,
    pub(super) failed: Count,
    pub(super) dead: Count,
    pub(super) released: Count,
    pub(super) lost: Count,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was done of one kind, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindStatistics {
    /// Attempts begun.
    pub claimed: u64,
    /// Attempts that did it.
    pub done: u64,
    /// Attempts that failed, the last ones too.
    pub failed: u64,
    /// Tasks given up.
    pub dead: u64,
    /// Attempts given back because the server stopped.
    pub released: u64,
    /// Attempts whose task somebody else had meanwhile.
    pub lost: u64,
}

impl Statistics {
    /// Nothing of these kinds was done yet.
    pub(super) fn new(kinds: impl Iterator<Item = &'static str>) -> Self {
        Self {
            kinds: kinds.map(|kind| (kind, Counters::default())).collect(),
        }
    }

    pub(super) fn of(&self, kind: &str) -> Option<&Counters> {
        self.kinds.get(kind)
    }

    /// The numbers of each kind.
    pub fn by_kind(&self) -> impl Iterator<Item = (&'static str, KindStatistics)> {
        self.kinds.iter().map(|(kind, counters)| {
            let numbers = KindStatistics {
                claimed: counters.claimed.get(),
                done: counters.done.get(),
                failed: counters.failed.get(),
                dead: counters.dead.get(),
                released: counters.released.get(),
                lost: counters.lost.get(),
            };
            (*kind, numbers)
        })
    }
}
