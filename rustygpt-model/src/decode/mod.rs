//! From chosen tokens to the events of an answer.
//!
//! [`StreamDecoder`] is pure: tokens in, pieces of the answer out. [`Sections`] tells reasoning,
//! text and tool calls apart, [`tool_calls`] knows how models write calls, [`StopMatcher`] holds
//! text back while it may still become a stop string.

mod sections;
mod stop;
mod stream_decoder;
pub mod tool_calls;

pub use sections::{Outline, Piece, ReasoningMarks, Sections, Turn};
pub use stop::{Matched, StopMatcher};
pub use stream_decoder::{Decoded, StreamDecoder};
