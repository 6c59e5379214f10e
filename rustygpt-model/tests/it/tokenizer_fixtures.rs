//! Each algorithm on a small vocabulary of our own, against the ids that llama.cpp and Hugging
//! Face's `tokenizers` give. See `fixtures/tokenizers/make_*.py`.

use std::sync::Arc;

use indexmap::IndexMap;
use rustygpt_model::tokenizer::{Detokenizer, Piece, Tokenizer};
use rustygpt_model::weights::{Metadata, MetadataArray, MetadataValue};
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizers");
    serde_json::from_slice(&std::fs::read(format!("{folder}/{name}.json")).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// A JSON value as the GGUF value of this key.
fn metadata_value(key: &str, value: &Value) -> MetadataValue {
    match value {
        Value::Bool(value) => MetadataValue::Bool(*value),
        Value::String(value) => MetadataValue::String(value.clone()),
        Value::Number(value) => MetadataValue::U32(value.as_u64().unwrap().try_into().unwrap()),
        value => MetadataValue::Array(match key {
            "scores" => MetadataArray::F32(serde_json::from_value(value.clone()).unwrap()),
            "token_type" => MetadataArray::I32(serde_json::from_value(value.clone()).unwrap()),
            "precompiled_charsmap" => {
                MetadataArray::U8(serde_json::from_value(value.clone()).unwrap())
            }
            _ => MetadataArray::String(serde_json::from_value(value.clone()).unwrap()),
        }),
    }
}

/// The metadata of a fixture with changes; `null` takes a key away.
pub(crate) fn metadata(base: &Value, changes: &Value) -> Metadata {
    let mut entries = IndexMap::new();
    for (key, value) in base
        .as_object()
        .unwrap()
        .iter()
        .chain(changes.as_object().unwrap())
    {
        let name = format!("tokenizer.ggml.{key}");
        if value.is_null() {
            entries.shift_remove(&name);
        } else {
            entries.insert(name, metadata_value(key, value));
        }
    }
    Metadata::new(entries)
}

/// The tokenizer of a GGUF fixture, as its first variant has it.
pub(crate) fn gguf_tokenizer(name: &str) -> Tokenizer {
    let fixture = fixture(name);
    Tokenizer::from_gguf(&metadata(
        &fixture["metadata"],
        &fixture["variants"][0]["changes"],
    ))
    .unwrap()
}

/// The tokenizer of a Hugging Face fixture.
pub(crate) fn hugging_face_tokenizer(name: &str) -> Tokenizer {
    let fixture = fixture(name);
    let config = fixture["config"].to_string();
    Tokenizer::from_json(
        fixture["tokenizer"].to_string().as_bytes(),
        Some(config.as_bytes()),
    )
    .unwrap()
}

fn check_gguf(name: &str) {
    let fixture = fixture(name);
    for variant in fixture["variants"].as_array().unwrap() {
        let changes = &variant["changes"];
        let tokenizer = Tokenizer::from_gguf(&metadata(&fixture["metadata"], changes)).unwrap();
        let texts = fixture["texts"].as_array().unwrap();
        for (index, text) in texts.iter().enumerate() {
            let text = text.as_str().unwrap();
            let plain = ids(&variant["plain"][index]);
            assert_eq!(
                tokenizer.encode(text),
                plain,
                "{name} {changes} plain {text:?}"
            );
            let parsed = ids(&variant["parsed"][index]);
            let pieces = tokenizer.partition(text);
            assert_eq!(
                tokenizer.encode_pieces(&pieces),
                parsed,
                "{name} {changes} {text:?}"
            );
        }
    }
}

#[test]
fn sentence_piece_gives_llama_cpps_ids() {
    check_gguf("gguf_sentence_piece");
}

#[test]
fn byte_pairs_give_llama_cpps_ids_with_every_pre_tokenizer() {
    check_gguf("gguf_byte_pair");
}

#[test]
fn unigram_gives_llama_cpps_ids() {
    check_gguf("gguf_unigram");
}

#[test]
fn word_piece_gives_llama_cpps_ids() {
    check_gguf("gguf_word_piece");
}

#[test]
fn tokenizer_json_gives_hugging_faces_ids() {
    for name in [
        "byte_level",
        "llama_legacy",
        "metaspace_first",
        "word_piece",
        "unigram",
    ] {
        let name = format!("hugging_face_{name}");
        let tokenizer = hugging_face_tokenizer(&name);
        for vector in fixture(&name)["vectors"].as_array().unwrap() {
            let text = vector["text"].as_str().unwrap();
            let plain = tokenizer.encode(text);
            assert_eq!(plain, ids(&vector["plain"]), "{name} plain {text:?}");
            let parsed = tokenizer.encode_pieces(&tokenizer.partition(text));
            assert_eq!(parsed, ids(&vector["parsed"]), "{name} parsed {text:?}");
        }
    }
}

#[test]
fn tokenizer_json_decodes_as_hugging_face_does() {
    // WordPiece's decoder also tidies punctuation, which a stream cannot do; it is left out.
    for name in ["byte_level", "llama_legacy", "metaspace_first", "unigram"] {
        let name = format!("hugging_face_{name}");
        let tokenizer = hugging_face_tokenizer(&name);
        for vector in fixture(&name)["vectors"].as_array().unwrap() {
            let decoded = tokenizer.decode(&ids(&vector["plain"]));
            assert_eq!(
                decoded,
                vector["decoded"].as_str().unwrap(),
                "{name} {}",
                vector["text"]
            );
        }
    }
}

#[test]
fn tokenizer_config_names_the_roles() {
    let tokenizer = hugging_face_tokenizer("hugging_face_byte_level");
    assert_eq!(tokenizer.bos(), tokenizer.id_of("<|start|>"));
    // By the post-processor, as tokenizer_config.json does not say.
    assert!(tokenizer.adds_bos());
    assert_eq!(tokenizer.eos_ids(), [tokenizer.id_of("<|stop|>").unwrap()]);
    assert!(tokenizer.is_control(tokenizer.id_of("<mask>").unwrap()));
    assert!(!tokenizer.is_control(tokenizer.id_of("<added>").unwrap()));
    let names: Vec<&str> = tokenizer.control_tokens().map(|(name, _)| name).collect();
    assert_eq!(names, ["<|start|>", "<|stop|>", "<mask>"]);
    assert!(!hugging_face_tokenizer("hugging_face_llama_legacy").adds_bos());
}

#[test]
fn what_a_user_writes_is_never_a_control_token() {
    let gguf = ["gguf_sentence_piece", "gguf_byte_pair", "gguf_unigram"].map(gguf_tokenizer);
    let json = ["hugging_face_byte_level", "hugging_face_llama_legacy"].map(hugging_face_tokenizer);
    for tokenizer in gguf.into_iter().chain(json).chain([Tokenizer::bytes()]) {
        let names: Vec<String> = tokenizer
            .control_tokens()
            .map(|(name, _)| name.to_owned())
            .collect();
        assert!(!names.is_empty());
        let text = format!("a {} b", names.join(" and "));
        assert!(
            !tokenizer
                .encode(&text)
                .iter()
                .any(|&id| tokenizer.is_control(id)
            // An unknown token is one too, where a vocabulary has no bytes.
            && tokenizer.token_text(id) != "<unk>")
        );
        let pieces = tokenizer.partition(&text);
        let found = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Control(_)))
            .count();
        assert_eq!(found, names.len());
    }
}

#[test]
fn texts_side_by_side_are_one_text() {
    let tokenizer = gguf_tokenizer("gguf_byte_pair");
    let pieces = [Piece::Text("the wea".into()), Piece::Text("ther".into())];
    assert_eq!(
        tokenizer.encode_pieces(&pieces),
        tokenizer.encode("the weather")
    );
}

#[test]
fn harmony_answers_end_with_return_but_not_with_end() {
    let base = fixture("gguf_byte_pair")["metadata"].clone();
    let mut tokens: Vec<String> = serde_json::from_value(base["tokens"].clone()).unwrap();
    let first = tokens.len() as u32;
    tokens.extend(["<|end|>", "<|return|>", "<|call|>", "<|channel|>"].map(str::to_owned));
    let mut types: Vec<i32> = serde_json::from_value(base["token_type"].clone()).unwrap();
    types.extend([3; 4]);
    let changes = serde_json::json!({ "tokens": tokens, "token_type": types });
    let tokenizer = Tokenizer::from_gguf(&metadata(&base, &changes)).unwrap();
    assert!(!tokenizer.eos_ids().contains(&first));
    assert!(tokenizer.eos_ids().contains(&(first + 1)));
    assert!(tokenizer.eos_ids().contains(&(first + 2)));
    // The reader of the stream has to see where a channel begins.
    assert!(!tokenizer.is_control(first + 3));
}

#[test]
fn a_leading_space_is_dropped_at_the_start_and_kept_behind_a_prompt() {
    let tokenizer = gguf_tokenizer("gguf_sentence_piece");
    let ids = tokenizer.encode("the weather");
    assert_eq!(tokenizer.decode(&ids), "the weather");
    let mut detokenizer = Detokenizer::new(Arc::new(tokenizer));
    let text: String = ids.iter().map(|&id| detokenizer.push(id)).collect();
    assert_eq!(text + &detokenizer.finish(), " the weather");
}

#[test]
fn what_was_encoded_decodes_to_itself() {
    for name in ["gguf_sentence_piece", "gguf_byte_pair"] {
        let tokenizer = gguf_tokenizer(name);
        for text in fixture(name)["texts"].as_array().unwrap() {
            // SentencePiece puts a space behind an added token too.
            let text = text.as_str().unwrap().replace("<tool>", "");
            assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text, "{name}");
        }
    }
}
