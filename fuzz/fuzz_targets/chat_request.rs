//! The JSON of a chat request: whatever the bytes, it is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustygpt_common::openai::ChatRequest;

fuzz_target!(|bytes: &[u8]| {
    let _ = serde_json::from_slice::<ChatRequest>(bytes);
});
