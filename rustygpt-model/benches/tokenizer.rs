//! One megabyte of mixed text through tokenizers of each kind.
//!
//! The shared vocabularies are used where they are; the small ones of the tests always.

use std::path::PathBuf;

use divan::Bencher;
use divan::counter::BytesCount;
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Source};

fn main() {
    divan::main();
}

/// Prose in several scripts, code, numbers and white space, a megabyte of it.
fn text() -> String {
    let lines = [
        "The quick brown fox jumps over the lazy dog; it's what they've said, again and again.\n",
        "    let total = values.iter().map(|value| value * 3.14159).sum::<f64>();\n",
        "Ünïcödé ñandú façade naïve – “quoted” text… Straße, ÉCOLE.\n",
        "Это проверка русского текста, а потом ещё одна строка.\n",
        "这是一个测试，用于分词器。日本語のテキストも含めます。\n",
        "2024-05-06 07:08:09 1234567 rows, 98.6 % done\n\n\n",
        "\tif (index < length) { return &table[index++]; } /* a comment */\r\n",
    ];
    let mut text = String::with_capacity(1 << 20);
    let mut word = 0_u32;
    while text.len() < 1_000_000 {
        for line in lines {
            text.push_str(line);
        }
        // Words that do not repeat, as real text has some.
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!("item{word:x} ref_{}\n", word % 9973));
    }
    text
}

fn shared(name: &str) -> Option<Tokenizer> {
    let shared = std::env::var_os("RUSTYGPT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let files = ModelFiles::open(&shared.join(format!("vocab/ggml-vocab-{name}.gguf"))).ok()?;
    match files.source() {
        Source::Gguf(metadata) => Tokenizer::from_gguf(metadata).ok(),
        Source::HuggingFace(_) => None,
    }
}

#[divan::bench(args = ["llama-bpe", "qwen2", "gpt-2", "deepseek-coder", "llama-spm", "bert-bge"])]
fn shared_vocabulary(bencher: Bencher<'_, '_>, name: &str) {
    // Absent vocabularies are skipped: the row then has no numbers.
    let Some(tokenizer) = shared(name) else {
        return;
    };
    let text = text();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| tokenizer.encode(&text));
}

#[divan::bench]
fn byte_level_tokenizer_json(bencher: Bencher<'_, '_>) {
    let fixture = include_str!("../tests/fixtures/tokenizers/hugging_face_byte_level.json");
    let Ok(fixture) = serde_json::from_str::<serde_json::Value>(fixture) else {
        return;
    };
    let json = fixture["tokenizer"].to_string();
    let Ok(tokenizer) = Tokenizer::from_json(json.as_bytes(), None) else {
        return;
    };
    let text = text();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| tokenizer.encode(&text));
}

#[divan::bench]
fn partition_of_template_output(bencher: Bencher<'_, '_>) {
    let tokenizer = Tokenizer::bytes();
    let text = text().replace("\n\n\n", "<|im_end|>\n<|im_start|>user\n");
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| tokenizer.partition(&text).len());
}
