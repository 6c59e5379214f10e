//! What fuzzing starts from and what it found, replayed without a fuzzer (`scripts/fuzz.sh`).

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside test functions"
)]

use rustygpt_common::openai::ChatRequest;
use rustygpt_common::sse::{ParseError, Parser};
use std::path::Path;

/// Every file of a target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!files.is_empty(), "the corpus of {target} is empty");
    files
}

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    for stream in corpus("sse") {
        let whole = Parser::default().push(&stream);
        for length in 1..stream.len() {
            let mut parser = Parser::default();
            let cut = stream
                .chunks(length)
                .try_fold(Vec::new(), |mut events, piece| {
                    events.extend(parser.push(piece)?);
                    Ok::<_, ParseError>(events)
                });
            assert_eq!(
                cut.ok(),
                whole.as_ref().ok().cloned(),
                "cut every {length} bytes"
            );
        }
    }
}

#[test]
fn the_corpus_of_requests_holds_good_and_bad_ones() {
    let good = corpus("chat_request")
        .iter()
        .filter(|json| serde_json::from_slice::<ChatRequest>(json).is_ok())
        .count();
    assert!(
        good >= 2 && good < corpus("chat_request").len(),
        "{good} were read"
    );
}
