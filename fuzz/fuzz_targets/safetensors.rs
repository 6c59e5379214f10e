//! A safetensors header: whatever the bytes, it is read or refused, and the tensors fill the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustygpt_model::weights::safetensors::read_header;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensors) = read_header(bytes) {
        let total: u64 = tensors.iter().map(|tensor| tensor.byte_length).sum();
        assert!(total < bytes.len() as u64, "tensors overlap or reach past the end");
    }
});
