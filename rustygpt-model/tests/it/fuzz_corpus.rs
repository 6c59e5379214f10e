//! What fuzzing starts from and what it found, replayed without a fuzzer.
//!
//! `fuzz/corpus/<target>/` holds the seeds, one file per case of this binary, and every input that a
//! fuzzer once broke something with. `RUSTYGPT_WRITE_SEEDS=1 cargo test -p rustygpt-model --test it
//! seeds` writes the seeds anew.

use super::{gguf_cases, safetensors_cases};
use rustygpt_model::prompt::{ChatTemplate, RenderRequest};
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{gguf, safetensors};
use std::path::{Path, PathBuf};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target)
}

/// Runs `act` on every file of a target's corpus.
fn replay(target: &str, act: impl Fn(&[u8])) {
    let mut files = 0;
    for entry in std::fs::read_dir(corpus(target)).unwrap() {
        act(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 0, "the corpus of {target} is empty");
}

/// The seeds on disk are the cases of this binary.
fn check_seeds(target: &str, cases: &[gguf_cases::Case]) {
    let folder = corpus(target);
    // The longest show nothing that a shorter one does not.
    for (name, bytes, _) in cases.iter().filter(|(_, bytes, _)| bytes.len() < 8192) {
        let path = folder.join(name);
        if std::env::var_os("RUSTYGPT_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        let seed = std::fs::read(&path).unwrap_or_default();
        assert_eq!(&seed, bytes, "{} is out of date", path.display());
    }
}

#[test]
fn seeds_are_those_of_the_cases() {
    check_seeds("gguf", &gguf_cases::cases());
    check_seeds("safetensors", &safetensors_cases::cases());
}

#[test]
fn no_gguf_header_panics() {
    replay("gguf", |bytes| {
        if let Ok(header) = gguf::Header::read(bytes) {
            let _ = header.split();
        }
    });
}

#[test]
fn no_safetensors_header_panics() {
    replay("safetensors", |bytes| {
        let _ = safetensors::read_header(bytes);
    });
}

#[test]
fn no_tokenizer_json_panics() {
    replay("tokenizer_json", |bytes| {
        if let Ok(tokenizer) = Tokenizer::from_json(bytes, None) {
            let ids = tokenizer.encode("a b  ab<s> <x>\u{e9}\u{1f600}\n");
            let _ = tokenizer.decode(&ids);
            let _ = tokenizer.encode_pieces(&tokenizer.partition("<s>a <x>b"));
        }
    });
}

#[test]
fn no_template_panics() {
    replay("template", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let (source, request) = text.split_once('\0').unwrap_or((text, "{}"));
        let request = serde_json::from_str(request).unwrap_or_default();
        if let (Ok(template), Ok(request)) = (
            ChatTemplate::from_source(source, Some("<s>".to_owned()), None),
            RenderRequest::from_openai_json(&request),
        ) {
            let _ = template.render(&request);
        }
    });
}

#[test]
fn tool_calls_read_the_same_however_they_are_cut() {
    replay("tool_calls", rustygpt_model::decode::tool_calls::probe);
}
