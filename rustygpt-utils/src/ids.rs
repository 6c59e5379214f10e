//! Names for things that come and go.

use crate::random::{self, NoRandomness};
use std::time::Duration;
use uuid::Uuid;

/// An id for one HTTP request, for its log lines and its `x-request-id` header.
///
/// # Errors
/// [`NoRandomness`] when the operating system has none to give.
pub fn request_id() -> Result<String, NoRandomness> {
    Ok(format!("req_{}", random_hex()?))
}

/// An id as the OpenAI API writes it: `chatcmpl-…`, `resp_…`; the prefix brings its separator.
///
/// # Errors
/// [`NoRandomness`] when the operating system has none to give.
pub fn completion_id(prefix: &str) -> Result<String, NoRandomness> {
    Ok(format!("{prefix}{}", random_hex()?))
}

/// An id that sorts by when it was made (UUID version 7). `now` is the time since 1970.
///
/// # Errors
/// [`NoRandomness`] when the operating system has none to give.
pub fn time_ordered(now: Duration) -> Result<Uuid, NoRandomness> {
    let milliseconds = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let builder = uuid::Builder::from_unix_timestamp_millis(milliseconds, &random::bytes()?);
    Ok(builder.into_uuid())
}

fn random_hex() -> Result<String, NoRandomness> {
    let id = uuid::Builder::from_random_bytes(random::bytes::<16>()?).into_uuid();
    Ok(Uuid::simple(id).to_string())
}
