//! Days and months of UTC, as quotas and usage count them.

use crate::store::{QuotaPeriod, Timestamp};
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
            let (year, month, day_of_month) = civil(start.0 / DAY);
            let first = start.0 / DAY - (day_of_month - 1);
            let length = days_in(year, month);
            (Timestamp(first * DAY), Timestamp((first + length) * DAY))
        }
    }
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01, in the Gregorian
/// calendar. After Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March, so that the leap day is a year's last; an era has 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
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
