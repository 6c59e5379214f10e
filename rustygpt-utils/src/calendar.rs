//! Dates of the Gregorian calendar in UTC, from counts of days.

/// A day's date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year; 0 is 1 BC.
    pub year: i64,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month, 1 to 31.
    pub day: u8,
}

impl Date {
    /// The date `days` days after 1970-01-01. After Howard Hinnant, "chrono-compatible low-level
    /// date algorithms", `civil_from_days`.
    #[must_use]
    pub const fn from_unix_days(days: i64) -> Self {
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
        let january_or_february = if month <= 2 { 1 } else { 0 };
        Self {
            year: era * 400 + year_of_era + january_or_february,
            month: month as u8,
            day: day as u8,
        }
    }

    /// Whether its year has a 29th of February.
    #[must_use]
    pub const fn is_in_leap_year(self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_that_date_u_tells() {
        // `date -u -d @$((DAYS * 86400)) +%F`
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (-719_528, 0, 1, 1),
            (11_016, 2000, 2, 29),
            (11_017, 2000, 3, 1),
            (20_778, 2026, 11, 21),
            (47_540, 2100, 2, 28),
            (47_541, 2100, 3, 1),
        ] {
            let date = Date::from_unix_days(days);
            assert_eq!((date.year, date.month, date.day), (year, month, day));
        }
    }

    #[test]
    fn leap_years_are_every_fourth_but_not_every_hundredth() {
        let leap = |year| {
            let date = Date {
                year,
                month: 1,
                day: 1,
            };
            date.is_in_leap_year()
        };
        assert_eq!(
            [1900, 2000, 2023, 2024, 2100].map(leap),
            [false, true, false, true, false]
        );
    }
}
