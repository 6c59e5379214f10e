//! How long a failed task waits before it is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The wait after attempt `attempt` (from 1) failed: twice as long each time, up to an hour, of
/// which `random` (uniform over all of `u64`) chooses a point in the later half, so that tasks that
/// failed together do not come back together.
#[must_use]
pub fn backoff(attempt: u32, random: u64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
    Duration::from_millis(half.saturating_add(random % half.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_spread_over_the_later_half() {
        for (attempt, whole) in [
            (0, 5),
            (1, 5),
            (2, 10),
            (5, 80),
            (11, 3600),
            (u32::MAX, 3600),
        ] {
            let whole = Duration::from_secs(whole);
            assert_eq!(backoff(attempt, 0), whole / 2);
            for random in [1, 77, 1 << 40, u64::MAX] {
                let wait = backoff(attempt, random);
                assert!((whole / 2..whole).contains(&wait), "{attempt} {wait:?}");
            }
        }
    }
}
