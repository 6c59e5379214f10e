//! How often somebody may ask: a bucket per key and per address.
//!
//! The generic cell rate algorithm: a bucket is one point in time, the moment at which it would be
//! full again. Not the `governor` crate's: its limiters have one quota each, fixed when they are
//! made, while here every key has its own and an administrator changes them under way; and its
//! answers do not tell when a bucket is full again, which `x-ratelimit-reset-requests` says.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many in such a time, at once or one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub amount: u32,
    /// In what time.
    pub per: Duration,
}

impl Rate {
    /// So many a minute.
    #[must_use]
    pub const fn per_minute(amount: u32) -> Self {
        Self {
            amount,
            per: Duration::from_secs(60),
        }
    }

    /// The time in which `amount` grow back.
    fn time_of(self, amount: u32) -> Duration {
        let nanoseconds = self.per.as_nanos() * u128::from(amount) / u128::from(self.amount.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// How somebody stands with their rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether this was still within it.
    pub is_within: bool,
    /// How many there are in all.
    pub limit: u32,
    /// How many are left now.
    pub remaining: u32,
    /// In what time all are there again.
    pub full_after: Duration,
    /// In what time as many as were asked for are there; zero if they were.
    pub retry_after: Duration,
}

/// What somebody has used lately: when their bucket is full again, as time since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Takes `amount` out if they are there; takes nothing otherwise.
    pub fn take(&mut self, rate: Rate, amount: u32, now: Duration) -> Standing {
        let full_at = self.full_at.max(now) + rate.time_of(amount);
        let is_within = full_at <= now + rate.per;
        if is_within {
            self.full_at = full_at;
        }
        let retry_after = if is_within {
            Duration::ZERO
        } else {
            full_at.saturating_sub(now + rate.per)
        };
        self.standing(rate, now, is_within, retry_after)
    }

    fn standing(
        &self,
        rate: Rate,
        now: Duration,
        is_within: bool,
        retry_after: Duration,
    ) -> Standing {
        let full_after = self.full_at.saturating_sub(now);
        let left = rate.per.saturating_sub(full_after).as_nanos();
        let remaining = left * u128::from(rate.amount) / rate.per.as_nanos().max(1);
        Standing {
            is_within,
            limit: rate.amount,
            remaining: u32::try_from(remaining).unwrap_or(rate.amount),
            full_after,
            retry_after,
        }
    }

    fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

/// One bucket for each of many, such as network addresses.
#[derive(Debug)]
pub struct RateLimiter<K> {
    buckets: Mutex<HashMap<K, Bucket>>,
}

/// More buckets than this are looked through for full ones, which say nothing.
const MOST_BUCKETS: usize = 65_536;

impl<K: Hash + Eq> RateLimiter<K> {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buckets: Mutex::default(),
        }
    }

    /// Takes one for `who`.
    pub fn take(&self, who: K, rate: Rate, now: Duration) -> Standing {
        // A panic under the lock leaves at worst one bucket too full.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= MOST_BUCKETS {
                // Somebody with a whole network of addresses: forgetting is better than running
                // out of memory, and they gain one full bucket each.
                buckets.clear();
            }
        }
        buckets.entry(who).or_default().take(rate, 1, now)
    }
}

impl<K: Hash + Eq> Default for RateLimiter<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::per_minute(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let mut bucket = Bucket::default();
        for taken in 1..=60 {
            let standing = bucket.take(RATE, 1, at(0));
            assert!(standing.is_within);
            assert_eq!((standing.limit, standing.remaining), (60, 60 - taken));
        }
        let refused = bucket.take(RATE, 1, at(0));
        assert!(!refused.is_within);
        assert_eq!(refused.retry_after, Duration::from_secs(1));
        assert_eq!(refused.full_after, Duration::from_secs(60));
        assert_eq!(
            bucket.take(RATE, 1, at(0)),
            refused,
            "a refusal costs nothing"
        );
        assert!(bucket.take(RATE, 1, at(1)).is_within);
        assert!(!bucket.take(RATE, 1, at(1)).is_within);
        assert_eq!(bucket.take(RATE, 1, at(3600)).remaining, 59);
    }

    #[test]
    fn everyone_has_a_bucket_of_their_own() {
        let limiter = RateLimiter::new();
        let takes = |who, seconds| {
            limiter
                .take(who, Rate::per_minute(1), at(seconds))
                .is_within
        };
        assert!(takes("a", 0) && !takes("a", 0));
        assert!(takes("b", 0));
        assert!(takes("a", 60));
    }
}
