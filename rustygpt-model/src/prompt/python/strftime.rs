//! `strftime` over a UTC instant, in the C locale.

use rustygpt_utils::calendar::Date;
use std::fmt::Write;

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A calendar date and time of day.
struct Moment {
    year: i64,
    /// 1 ..= 12.
    month: usize,
    /// 1 ..= 31.
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// 0 is Sunday.
    weekday: usize,
    /// 1 ..= 366.
    day_of_year: i64,
}

/// Writes the instant `unix_seconds` after 1970-01-01T00:00:00Z as `format` says. Unknown
/// directives are copied, as glibc does.
pub(in crate::prompt) fn strftime(unix_seconds: i64, format: &str) -> String {
    let moment = Moment::from_unix(unix_seconds);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = moment.write(unix_seconds, format, &mut out, 0);
    out
}

impl Moment {
    fn from_unix(unix_seconds: i64) -> Self {
        let days = unix_seconds.div_euclid(86_400);
        let seconds = unix_seconds.rem_euclid(86_400);
        let date = Date::from_unix_days(days);
        let month = usize::from(date.month);
        let is_after_leap_day = date.is_in_leap_year() && month > 2;
        let before_month = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
            .get(month - 1)
            .copied()
            .unwrap_or(0);
        Self {
            year: date.year,
            month,
            day: i64::from(date.day),
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            weekday: (days + 4).rem_euclid(7) as usize,
            day_of_year: before_month + i64::from(date.day) + i64::from(is_after_leap_day),
        }
    }

    fn write(
        &self,
        unix_seconds: i64,
        format: &str,
        out: &mut String,
        depth: usize,
    ) -> std::fmt::Result {
        let month = MONTHS.get(self.month - 1).copied().unwrap_or_default();
        let weekday = DAYS.get(self.weekday).copied().unwrap_or_default();
        let hour12 = (self.hour + 11) % 12 + 1;
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            let mut padding = None;
            let mut directive = characters.next();
            if let Some(flag @ ('-' | '_' | '0')) = directive {
                padding = Some(flag);
                directive = characters.next();
            }
            let mut number =
                |value: i64, width: usize, default: char| match padding.unwrap_or(default) {
                    '-' => write!(out, "{value}"),
                    '_' | ' ' => write!(out, "{value:width$}"),
                    _ => write!(out, "{value:0width$}"),
                };
            match directive {
                Some('Y') => number(self.year, 1, '0')?,
                Some('C') => number(self.year / 100, 2, '0')?,
                Some('y') => number(self.year.rem_euclid(100), 2, '0')?,
                Some('m') => number(self.month as i64, 2, '0')?,
                Some('d') => number(self.day, 2, '0')?,
                Some('e') => number(self.day, 2, ' ')?,
                Some('j') => number(self.day_of_year, 3, '0')?,
                Some('H') => number(self.hour, 2, '0')?,
                Some('k') => number(self.hour, 2, ' ')?,
                Some('I') => number(hour12, 2, '0')?,
                Some('l') => number(hour12, 2, ' ')?,
                Some('M') => number(self.minute, 2, '0')?,
                Some('S') => number(self.second, 2, '0')?,
                Some('f') => out.push_str("000000"),
                Some('u') => write!(out, "{}", (self.weekday + 6) % 7 + 1)?,
                Some('w') => write!(out, "{}", self.weekday)?,
                Some('U') => number((self.day_of_year + 6 - self.weekday as i64) / 7, 2, '0')?,
                Some('W') => {
                    let since_monday = (self.weekday as i64 + 6) % 7;
                    number((self.day_of_year + 6 - since_monday) / 7, 2, '0')?;
                }
                Some('s') => write!(out, "{unix_seconds}")?,
                Some('B') => out.push_str(month),
                Some('b' | 'h') => out.push_str(month.get(..3).unwrap_or(month)),
                Some('A') => out.push_str(weekday),
                Some('a') => out.push_str(weekday.get(..3).unwrap_or(weekday)),
                Some('p') => out.push_str(if self.hour < 12 { "AM" } else { "PM" }),
                Some('P') => out.push_str(if self.hour < 12 { "am" } else { "pm" }),
                // A naive datetime has no zone.
                Some('Z' | 'z') => {}
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('%') => out.push('%'),
                Some(composite @ ('F' | 'D' | 'x' | 'T' | 'X' | 'R' | 'r' | 'c')) if depth == 0 => {
                    let expansion = match composite {
                        'F' => "%Y-%m-%d",
                        'D' | 'x' => "%m/%d/%y",
                        'T' | 'X' => "%H:%M:%S",
                        'R' => "%H:%M",
                        'r' => "%I:%M:%S %p",
                        _ => "%a %b %e %H:%M:%S %Y",
                    };
                    self.write(unix_seconds, expansion, out, 1)?;
                }
                Some(other) => {
                    out.push('%');
                    out.extend(padding);
                    out.push(other);
                }
                None => out.push('%'),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::strftime;

    #[test]
    fn dates_are_written_as_the_c_library_writes_them() {
        // 2024-07-26T13:05:09Z
        let moment = 1_721_999_109;
        assert_eq!(strftime(moment, "%d %b %Y"), "26 Jul 2024");
        assert_eq!(
            strftime(
                moment,
                "%A %B %-d, %y %j %I:%M:%S %p %U %W %u %w %% %e %F %T"
            ),
            "Friday July 26, 24 208 01:05:09 PM 29 30 5 5 % 26 2024-07-26 13:05:09"
        );
        assert_eq!(
            strftime(951_782_400, "%Y-%m-%d %j %a"),
            "2000-02-29 060 Tue"
        );
        assert_eq!(strftime(-1, "%Y-%m-%d %H:%M:%S"), "1969-12-31 23:59:59");
        assert_eq!(strftime(0, "%Q%"), "%Q%");
    }
}
