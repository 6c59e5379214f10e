//! A tokenizer.json: whatever the bytes, it is read or refused, and what is read encodes any text.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use rustygpt_model::tokenizer::Tokenizer;

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // A panic of the `tokenizers` crate is caught and answered with an error; the fuzzer's own hook
    // would end the process before that. One that is not caught still ends it.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Ok(tokenizer) = Tokenizer::from_json(bytes, None) else {
        return;
    };
    let ids = tokenizer.encode("a b  ab<s> <x>\u{e9}\u{1f600}\n");
    let _ = tokenizer.decode(&ids);
    let _ = tokenizer.encode_pieces(&tokenizer.partition("<s>a <x>b"));
});
