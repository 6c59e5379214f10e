//! Models that embed against transformers in float64: `scripts/goldens/make_embedders.py` made the
//! models and their vectors.

use rustygpt_model::candle::{LoadOptions, load_embedder};
use rustygpt_model::contract::Embed;
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Purpose, Source, purpose};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Largest difference of a number of a vector of length 1: F32 against float64.
const TOLERANCE: f32 = 2e-6;

struct Golden {
    files: Vec<PathBuf>,
    texts: Vec<Text>,
}

struct Text {
    text: String,
    ids: Vec<u32>,
    vector: Vec<f32>,
}

fn goldens() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedding_models");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("golden.json").exists())
        .collect();
    cases.sort();
    assert!(cases.len() >= 3, "the goldens are incomplete: {cases:?}");
    cases.iter().map(|case| golden(case)).collect()
}

fn golden(case: &Path) -> Golden {
    let json: Value =
        serde_json::from_slice(&std::fs::read(case.join("golden.json")).unwrap()).unwrap();
    let text = |entry: &Value| Text {
        text: entry["text"].as_str().unwrap().to_owned(),
        ids: serde_json::from_value(entry["ids"].clone()).unwrap(),
        vector: serde_json::from_value(entry["vector"].clone()).unwrap(),
    };
    let texts = json["texts"].as_array().unwrap().iter().map(text).collect();
    let mut files = vec![case.to_owned()];
    if json["gguf"].as_bool().unwrap() {
        files.push(case.join("model.gguf"));
    }
    Golden { files, texts }
}

fn open(path: &Path) -> (ModelFiles, Box<dyn Embed>) {
    let files = ModelFiles::open(path).unwrap_or_else(|error| panic!("{error}"));
    let Ok(Purpose::Embedding(pooling)) = purpose(files.source()) else {
        panic!("{}: not a model that embeds", path.display())
    };
    let model = load_embedder(&files, pooling, &LoadOptions::default())
        .unwrap_or_else(|error| panic!("{error}"));
    (files, model)
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn vectors_are_those_of_the_reference() {
    for golden in goldens() {
        for path in &golden.files {
            let (_, mut model) = open(path);
            let texts: Vec<&[u32]> = golden.texts.iter().map(|t| t.ids.as_slice()).collect();
            let vectors = model.embed(&texts).unwrap();
            assert_eq!(vectors.len(), texts.len());
            for (text, vector) in golden.texts.iter().zip(vectors) {
                let worst = largest_difference(&unit(vector), &text.vector);
                assert!(
                    worst < TOLERANCE,
                    "{}: {worst:e} off in {:?}",
                    path.display(),
                    text.text
                );
            }
        }
    }
}

#[test]
fn a_text_among_others_has_the_vector_it_has_alone() {
    for golden in goldens() {
        for path in &golden.files {
            let (_, mut model) = open(path);
            let texts: Vec<&[u32]> = golden.texts.iter().map(|t| t.ids.as_slice()).collect();
            let together = model.embed(&texts).unwrap();
            for (text, among_others) in texts.iter().zip(together) {
                let alone = model.embed(&[text]).unwrap().remove(0);
                assert_eq!(alone, among_others, "{}, bit by bit", path.display());
            }
        }
    }
}

#[test]
fn texts_are_framed_as_the_model_was_trained() {
    for golden in goldens() {
        for path in &golden.files {
            let files = ModelFiles::open(path).unwrap();
            let tokenizer = match files.source() {
                Source::Gguf(metadata) => Tokenizer::from_gguf(metadata),
                Source::HuggingFace(directory) => Tokenizer::from_directory(&directory.path),
            };
            let tokenizer = tokenizer.unwrap();
            for text in &golden.texts {
                let ids = tokenizer.encode_framed(&text.text);
                assert_eq!(ids, text.ids, "{}: {:?}", path.display(), text.text);
            }
        }
    }
}

#[test]
fn texts_that_no_engine_may_send_are_refused() {
    for golden in goldens() {
        let (_, mut model) = open(&golden.files[0]);
        let shape = model.shape();
        let long = vec![1; shape.context_length + 1];
        let unknown = [shape.vocabulary as u32];
        for text in [&[][..], &long, &unknown] {
            assert!(model.embed(&[text]).is_err(), "{} tokens", text.len());
        }
        assert!(model.embed(&[]).unwrap().is_empty());
    }
}
