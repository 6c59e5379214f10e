//! Ollama's dialect, for clients that speak no other.
//!
//! A request becomes the one OpenAI's dialect knows and is checked there; answers are written from
//! the same events, as lines of JSON where they are streamed.

mod answers;
pub(crate) mod chat;
pub(crate) mod embed;
pub(crate) mod generate;
pub(crate) mod models;
mod translate;

use crate::answer::Asking;
use crate::state::ApiState;
use rustygpt_orchestrator::access::Caller;
use rustygpt_utils::calendar::Date;

/// The version of Ollama whose dialect is spoken; clients refuse to talk to older ones.
const VERSION: &str = "0.13.0";

/// The name of a model as the house knows it: `:latest`, which Ollama adds to names that have no
/// tag, is left away where nothing is called so.
fn known_name(state: &ApiState, caller: &Caller, name: String) -> String {
    match name.strip_suffix(":latest") {
        Some(short) if state.models.view(caller, &name).is_err() => short.to_owned(),
        _ => name,
    }
}

/// The name of a model that somebody asks for.
fn asked_name(asking: &Asking, name: String) -> String {
    known_name(&asking.state, &asking.caller, name)
}

/// A time as RFC 3339 writes it. `seconds` since 1970.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let Date { year, month, day } =
        Date::from_unix_days(i64::try_from(days.min(3_000_000)).unwrap_or_default());
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_date_u_tells_them() {
        // `date -u -d @SECONDS +%FT%TZ`
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_700_000_123), "2023-11-14T22:15:23Z");
        assert_eq!(timestamp(951_827_699), "2000-02-29T12:34:59Z");
    }
}
