//! Tests of the crate from outside, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; one that is skipped says so"
)]

#[cfg(feature = "candle")]
mod embedding_goldens;
#[cfg(feature = "candle")]
mod engine;
#[cfg(feature = "candle")]
mod exactness;
mod fixtures;
mod fuzz_corpus;
mod gguf_builder;
mod gguf_cases;
mod gguf_files;
#[cfg(feature = "candle")]
mod goldens;
mod models_on_disk;
#[cfg(feature = "candle")]
mod prompt_cache;
mod prompts;
#[cfg(feature = "candle")]
mod random_model;
mod safetensors_cases;
mod safetensors_files;
mod template_process;
mod templates;
mod tokenizer_fixtures;
mod tokenizer_hostile;
mod tokenizer_vectors;
mod truncation;
