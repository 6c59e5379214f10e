//! A GGUF header: whatever the bytes, it is read or refused, and what is read lies in the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustygpt_model::weights::gguf::Header;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = Header::read(bytes) else {
        return;
    };
    let _ = header.split();
    let total: u64 = header.tensors.iter().map(|tensor| tensor.byte_length).sum();
    assert!(total <= bytes.len() as u64, "tensors overlap or reach past the end");
});
