//! When a recurring task is due next: cron patterns in time zones.
//!
//! Where clocks are put forward, a time that does not exist is due at the first moment after the
//! gap, so that a daily task never skips a day. Where they are put back, a fixed time is due once,
//! at its first coming; patterns of every so many minutes or hours go on through both.

use crate::store::Timestamp;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

/// Why a pattern in a time zone has no next time.
#[derive(Debug, thiserror::Error)]
pub enum RecurrenceError {
    /// The pattern is none.
    #[error("`{pattern}` is no cron pattern of five fields: {cause}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        cause: croner::errors::CronError,
    },
    /// The time zone is unknown.
    #[error("there is no time zone `{name}`")]
    TimeZone {
        /// Its name.
        name: String,
    },
    /// The pattern names a time that never comes, such as the 30th of February, or one beyond the
    /// calendar.
    #[error("`{0}` never comes again")]
    Never(String),
}

/// When something recurs.
#[derive(Clone, Debug)]
pub struct Recurrence {
    pattern: Cron,
    zone: TimeZone,
}

impl Recurrence {
    /// Reads a cron pattern of five fields (minute, hour, day, month, weekday) and an IANA name.
    ///
    /// # Errors
    /// [`RecurrenceError`] when either is none.
    pub fn parse(pattern: &str, time_zone: &str) -> Result<Self, RecurrenceError> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        Ok(Self {
            pattern: parser
                .parse(pattern)
                .map_err(|cause| RecurrenceError::Pattern {
                    pattern: pattern.to_owned(),
                    cause,
                })?,
            zone: TimeZone::get(time_zone).map_err(|_| RecurrenceError::TimeZone {
                name: time_zone.to_owned(),
            })?,
        })
    }

    /// The first time after `after`. A server that slept through several runs once, for the next
    /// time after now.
    ///
    /// # Errors
    /// [`RecurrenceError::Never`].
    pub fn next(&self, after: Timestamp) -> Result<Timestamp, RecurrenceError> {
        let never = || RecurrenceError::Never(self.pattern.as_str().to_owned());
        let after = jiff::Timestamp::from_millisecond(after.0).map_err(|_| never())?;
        let next = self
            .pattern
            .find_next_occurrence(&after.to_zoned(self.zone.clone()), false)
            .map_err(|_| never())?;
        Ok(Timestamp(next.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next `times` times in Berlin after a UTC time, in UTC.
    fn next(pattern: &str, after: &str, times: usize) -> Vec<String> {
        let recurrence = Recurrence::parse(pattern, "Europe/Berlin").unwrap();
        let after: jiff::Timestamp = after.parse().unwrap();
        let mut at = Timestamp(after.as_millisecond());
        let mut found = Vec::new();
        for _ in 0..times {
            at = recurrence.next(at).unwrap();
            let time = jiff::Timestamp::from_millisecond(at.0).unwrap();
            found.push(time.strftime("%m-%d %H:%M").to_string());
        }
        found
    }

    #[test]
    fn a_local_time_stays_local_when_clocks_change() {
        let spring = next("0 7 * * *", "2026-03-28T00:00:00Z", 3);
        assert_eq!(spring, ["03-28 06:00", "03-29 05:00", "03-30 05:00"]);
        let autumn = next("0 7 * * *", "2026-10-24T00:00:00Z", 3);
        assert_eq!(autumn, ["10-24 05:00", "10-25 06:00", "10-26 06:00"]);
    }

    #[test]
    fn a_time_in_the_gap_is_due_right_after_it() {
        // 02:30 does not exist on 29 March: 02:00 becomes 03:00, which is 01:00 UTC.
        let gap = next("30 2 * * *", "2026-03-28T00:00:00Z", 3);
        assert_eq!(gap, ["03-28 01:30", "03-29 01:00", "03-30 00:30"]);
    }

    #[test]
    fn a_time_that_comes_twice_is_due_once() {
        // 02:30 comes twice on 25 October: at 00:30 and at 01:30 UTC.
        let twice = next("30 2 * * *", "2026-10-24T00:00:00Z", 3);
        assert_eq!(twice, ["10-24 00:30", "10-25 00:30", "10-26 01:30"]);
    }

    #[test]
    fn intervals_go_on_through_a_change() {
        let hourly = next("0 * * * *", "2026-10-24T23:30:00Z", 4);
        let wanted = ["10-25 00:00", "10-25 01:00", "10-25 02:00", "10-25 03:00"];
        assert_eq!(hourly, wanted);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for pattern in [
            "",
            "* * * *",
            "61 * * * *",
            "0 0 0 1 1 1",
            "0 0 1 1 1 1 2030",
        ] {
            let refused = Recurrence::parse(pattern, "UTC");
            assert!(
                matches!(refused, Err(RecurrenceError::Pattern { .. })),
                "{pattern}"
            );
        }
        let nowhere = Recurrence::parse("0 3 * * *", "Mars/Olympus");
        assert!(matches!(nowhere, Err(RecurrenceError::TimeZone { .. })));
        let never = Recurrence::parse("0 3 30 2 *", "UTC").unwrap();
        assert!(matches!(
            never.next(Timestamp(0)),
            Err(RecurrenceError::Never(_))
        ));
        let late = Recurrence::parse("0 3 * * *", "UTC").unwrap();
        assert!(late.next(Timestamp(i64::MAX)).is_err());
    }
}
