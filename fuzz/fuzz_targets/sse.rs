//! A server-sent event stream, cut into pieces of the length that the first byte says: the parser
//! reads the same events however the bytes arrive, or refuses them both times.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustygpt_common::sse::Parser;

fuzz_target!(|bytes: &[u8]| {
    let Some((&length, stream)) = bytes.split_first() else {
        return;
    };
    let whole = Parser::with_limit(1 << 16).push(stream);
    let mut parser = Parser::with_limit(1 << 16);
    let mut events = Vec::new();
    for piece in stream.chunks(usize::from(length).max(1)) {
        match parser.push(piece) {
            Ok(more) => events.extend(more),
            Err(_) => {
                assert!(whole.is_err(), "only the cut stream was refused");
                return;
            }
        }
    }
    match whole {
        Ok(whole) => assert_eq!(whole, events),
        Err(_) => panic!("only the whole stream was refused"),
    }
});
