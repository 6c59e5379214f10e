//! From chosen tokens to the events of an answer.
//!
//! [`StreamDecoder`] is pure: tokens in, pieces of text out. [`StopMatcher`] holds text back while
//! it may still become a stop string.

mod stop;
mod stream_decoder;

pub use stop::{Matched, StopMatcher};
pub use stream_decoder::{Decoded, StreamDecoder};
