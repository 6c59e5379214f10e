//! Broken and hostile tokenizers end in an error that says what is wrong; hostile text costs no
//! more than other text. Nothing panics.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustygpt_model::tokenizer::{Piece, Tokenizer, TokenizerError};
use serde_json::{Value, json};

use crate::tokenizer_fixtures::{gguf_tokenizer, hugging_face_tokenizer, metadata};

fn read(changes: &Value) -> Result<Tokenizer, TokenizerError> {
    let base = json!({
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": ["a", "b", "ab", "Ġ", "<s>"],
        "token_type": [1, 1, 1, 1, 3],
        "merges": ["a b"],
    });
    Tokenizer::from_gguf(&metadata(&base, changes))
}

fn error(changes: &Value) -> String {
    read(changes).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn an_unknown_name_is_named() {
    let text = error(&json!({ "pre": "not-yet-invented" }));
    assert!(
        text.contains("not-yet-invented") && text.contains("llama-bpe"),
        "{text}"
    );
    let text = error(&json!({ "model": "magic" }));
    assert!(text.contains("magic") && text.contains("gpt2"), "{text}");
}

#[test]
fn broken_vocabularies_are_refused() {
    assert!(error(&json!({ "tokens": [] })).contains("empty"));
    assert!(error(&json!({ "tokens": null })).contains("no list of tokens"));
    assert!(error(&json!({ "model": null })).contains("no tokenizer model"));
    assert!(error(&json!({ "merges": null })).contains("no list of merges"));
    assert!(error(&json!({ "token_type": [1] })).contains("1 token types for 5 tokens"));
    assert!(error(&json!({ "scores": [0.5, 1.0] })).contains("2 scores for 5 tokens"));
    assert!(error(&json!({ "scores": "high" })).contains("not numbers"));
    let text = error(&json!({ "tokens": ["a", "b", "ab", "Ġ", "a"] }));
    assert!(text.contains("\"a\" has the ids 0 and 4"), "{text}");
    let map = json!({ "model": "t5", "precompiled_charsmap": [255, 0, 0, 0, 1] });
    assert!(error(&map).contains("cut short"));
}

#[test]
fn odd_but_readable_vocabularies_work() {
    // Merges that name absent tokens, have no border or repeat; ids of roles out of range.
    let merges = json!(["a b", "x y", "ab", "", " ", "a  b", "a b"]);
    let tokenizer =
        read(&json!({ "merges": merges, "bos_token_id": 4_000_000, "eos_token_id": 99 })).unwrap();
    assert_eq!(tokenizer.encode("ab a"), [2, 3, 0]);
    // Bytes that the vocabulary lacks are left out, as llama.cpp does.
    assert_eq!(tokenizer.encode("a~b"), [0, 1]);
    assert_eq!(tokenizer.bos(), None);
    assert!(tokenizer.eos_ids().is_empty());
    assert_eq!(tokenizer.token_text(4_000_000), "");
    assert_eq!(tokenizer.decode(&[4_000_000, 0]), "a");
    // Empty tokens get a name; a map of nonsense replaces nothing.
    let tokenizer = read(&json!({ "tokens": ["", "b", "", "Ġ", "<s>"] })).unwrap();
    assert_eq!(tokenizer.id_of("[EMPTY_2]"), Some(2));
    let map: Vec<u8> = [64, 0, 0, 0]
        .into_iter()
        .chain((0..80_u8).map(|byte| byte.wrapping_mul(37)))
        .collect();
    let changes = json!({ "model": "t5", "unknown_token_id": 4, "precompiled_charsmap": map });
    assert!(!read(&changes).unwrap().encode("abcdefgh").is_empty());
    // No bytes to fall back to, and no unknown token.
    for model in ["llama", "bert", "t5", "rwkv"] {
        let _ids = read(&json!({ "model": model }))
            .unwrap()
            .encode("añb ab \u{10FFFF}");
    }
}

#[test]
fn long_and_hostile_text_stays_quick() {
    let names = [
        "gguf_sentence_piece",
        "gguf_byte_pair",
        "gguf_unigram",
        "gguf_word_piece",
    ];
    let tokenizers = names.map(gguf_tokenizer);
    let size = 200_000;
    let repeated = [
        "a",
        " ",
        "\n",
        " \n",
        "1",
        "<",
        "<|im_end|>",
        "\u{301}",
        "'",
        "é",
        "\u{3000}",
        "aB",
    ];
    for (name, tokenizer) in names.into_iter().zip(tokenizers) {
        for unit in repeated {
            let text = unit.repeat(size / unit.len());
            let started = Instant::now();
            let plain = tokenizer.encode(&text);
            let parsed = tokenizer.encode_pieces(&tokenizer.partition(&text));
            let took = started.elapsed();
            assert!(
                took < Duration::from_secs(10),
                "{name} {unit:?} took {took:?}"
            );
            assert!(plain.len() <= 3 * size && parsed.len() <= 3 * size);
        }
    }
}

#[test]
fn every_pre_tokenizer_is_linear() {
    let base = json!({
        "model": "gpt2",
        "tokens": ["a", "b", "Ġ", "1", "<s>"],
        "merges": [],
        "add_bos_token": false,
    });
    let names = "default minicpm5 llama-bpe deepseek-llm deepseek-coder deepseek-v3 spark2_5 youtu \
        falcon starcoder gpt-2 jais-2 qwen2 qwen35 bloom viking tekken exaone-moe chameleon gpt-4o \
        granite-embed-multi-97m tiny_aya superbpe seed-coder kimi-k2 ufakzeka afmoe laguna \
        k2-horizon gemma4 whitespace";
    for name in names.split_whitespace() {
        let tokenizer = Tokenizer::from_gguf(&metadata(&base, &json!({ "pre": name }))).unwrap();
        for unit in [
            "a",
            "A",
            "é",
            " ",
            "\n \r",
            "1",
            "'",
            "a ",
            "\u{301}",
            "IMGIMGA",
            "<sentinel:1",
        ] {
            let text = unit.repeat(200_000 / unit.len());
            let started = Instant::now();
            let _ids = tokenizer.encode(&text);
            let took = started.elapsed();
            assert!(
                took < Duration::from_secs(5),
                "{name} {unit:?} took {took:?}"
            );
        }
    }
}

#[test]
fn broken_tokenizer_json_is_refused() {
    for text in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "{\"model\": 7}",
        "{\"version\": \"1.0\"}",
    ] {
        let error = Tokenizer::from_json(text.as_bytes(), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("tokenizer.json"), "{error}");
    }
    let whole = include_str!("../fixtures/tokenizers/hugging_face_byte_level.json");
    let fixture: Value = serde_json::from_str(whole).unwrap();
    let broken = [
        ("/model/vocab", json!({})),
        ("/model/merges", json!(["q q q"])),
        ("/model/type", json!("Magic")),
        (
            "/added_tokens",
            json!([{ "id": u32::MAX, "content": "<x>", "special": true }]),
        ),
        (
            "/pre_tokenizer",
            json!({ "type": "Split", "pattern": { "Regex": "((" } }),
        ),
    ];
    for (pointer, value) in broken {
        let mut tokenizer = fixture["tokenizer"].clone();
        *tokenizer.pointer_mut(pointer).unwrap() = value;
        let read = Tokenizer::from_json(tokenizer.to_string().as_bytes(), None);
        if let Ok(tokenizer) = read {
            let _ids = tokenizer.encode("Hello");
        }
    }
    let error = Tokenizer::from_json(fixture["tokenizer"].to_string().as_bytes(), Some(b"{"));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("tokenizer_config.json")
    );
}

#[test]
fn an_absent_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Tokenizer::from_directory(folder.path()).unwrap_err();
    assert!(
        matches!(&error, TokenizerError::Unreadable { path, .. } if path.ends_with("tokenizer.json"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_encoded_and_comes_back(text in "(\\PC|[ \n\t\r]|<tool>|</s>){0,40}") {
        let tokenizer = gguf_tokenizer("gguf_byte_pair");
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text.as_str());
        // SentencePiece puts a space behind an added token too.
        let tokenizer = gguf_tokenizer("gguf_sentence_piece");
        let without = text.replace("<tool>", "");
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&without)), without.as_str());
        let tokenizer = hugging_face_tokenizer("hugging_face_byte_level");
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text.as_str());
    }

    #[test]
    fn a_partition_is_the_text(text in "(<tool>|</s>|<s>|<|im_end|>|[a-z<>/|_ ]){0,20}") {
        let tokenizer = gguf_tokenizer("gguf_byte_pair");
        let joined: String = tokenizer
            .partition(&text)
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.to_string(),
                Piece::Control(id) => tokenizer.token_text(*id).into_owned(),
            })
            .collect();
        prop_assert_eq!(joined, text);
    }
}
