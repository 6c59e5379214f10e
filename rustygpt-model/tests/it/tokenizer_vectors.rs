//! The ids of llama.cpp's own test vectors, from the vocabularies in the shared folder.

use std::path::PathBuf;

use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Source};

/// The folder of shared vocabularies, if this machine has it.
fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("RUSTYGPT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    // A worktree lies one folder deeper than a checkout.
    let candidates = [shared.join("vocab"), shared.join("../../shared/vocab")];
    candidates.into_iter().find(|folder| folder.is_dir())
}

#[test]
fn every_record_gives_exactly_the_ids_of_its_line() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no folder of shared vocabularies");
        return;
    };
    let mut vocabularies = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        vocabularies += 1;
        let name = path.display();
        let files = ModelFiles::open(&path).unwrap();
        let Source::Gguf(metadata) = files.source() else {
            unreachable!("a GGUF file")
        };
        let tokenizer = Tokenizer::from_gguf(metadata).unwrap();
        let inputs = std::fs::read_to_string(format!("{name}.inp")).unwrap();
        let outputs = std::fs::read_to_string(format!("{name}.out")).unwrap();
        let records: Vec<&str> = inputs.split("\n__ggml_vocab_test__\n").collect();
        let lines: Vec<&str> = outputs.split('\n').collect();
        assert_eq!(records.len(), lines.len(), "{name}");
        for (record, line) in records.iter().zip(lines) {
            let expected: Vec<u32> = line
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            assert_eq!(tokenizer.encode(record), expected, "{name}: {record:?}");
        }
    }
    assert!(vocabularies > 0);
}
