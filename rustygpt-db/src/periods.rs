//! Days and months of UTC, as quotas and usage count them.

use crate::store::{QuotaPeriod, Timestamp};
use rustygpt_utils::calendar::Date;
use std::time::Duration;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The first moment of the day of `at`.
pub(crate) fn day(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_sub(at.0.rem_euclid(DAY)))
}

/// The period of `at`: its first moment, and that of the next.
pub(crate) fn period(at: Timestamp, period: QuotaPeriod) -> (Timestamp, Timestamp) {
    let start = day(at);
    match period {
        QuotaPeriod::Day => (start, start.plus(Duration::from_secs(24 * 60 * 60))),
        QuotaPeriod::Month => {
            let date = Date::from_unix_days(start.0 / DAY);
            let first = start.0 / DAY - (i64::from(date.day) - 1);
            let length = days_in_month(date);
            (Timestamp(first * DAY), Timestamp((first + length) * DAY))
        }
    }
}

fn days_in_month(date: Date) -> i64 {
    match date.month {
        2 if date.is_in_leap_year() => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_where_the_next_begins() {
        // `date -u -d 2028-02-29T12:00:00 +%s` and its neighbours.
        let noon_of_leap_day = Timestamp(1_835_438_400_000);
        let february = (Timestamp(1_832_976_000_000), Timestamp(1_835_481_600_000));
        assert_eq!(period(noon_of_leap_day, QuotaPeriod::Month), february);
        assert_eq!(
            period(noon_of_leap_day, QuotaPeriod::Day),
            (Timestamp(1_835_395_200_000), Timestamp(1_835_481_600_000))
        );
        let mut start = Timestamp(0);
        for _ in 0..12 * 130 {
            let (first, next) = period(start, QuotaPeriod::Month);
            assert_eq!(first, start);
            assert_eq!(period(Timestamp(next.0 - 1), QuotaPeriod::Month).0, start);
            start = next;
        }
        // The years from 1970 to 2099 have 32 leap days.
        assert_eq!(start.0 / DAY, 130 * 365 + 32);
    }
}
