//! An answer with tool calls, cut into pieces: the first byte says in which format, the second how
//! long the pieces are. The reader finds the same however the text arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustygpt_model::decode::tool_calls::probe;

fuzz_target!(|bytes: &[u8]| probe(bytes));
