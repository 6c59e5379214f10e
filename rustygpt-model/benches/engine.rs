//! What the engine itself costs: scheduler, sampler, decoder and channels, per token, on a
//! scripted model; and the sampler alone on a large vocabulary.
//!
//! `cargo bench -p rustygpt-model --bench engine`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use futures::StreamExt;
use rustygpt_model::contract::{GenerateRequest, GenerationEvent, Input, Limits, Sampling};
use rustygpt_model::engine::{EngineOptions, LoadedModel};
use rustygpt_model::sampling::{Sampler, SamplerSetup, Settings, Workspace};
use rustygpt_model::scripted::{Script, scripted_model};
use std::sync::Arc;

const TOKENS: u32 = 256;
const VOCABULARY: usize = 150_000;

fn main() {
    divan::main();
}

fn request() -> GenerateRequest {
    GenerateRequest {
        input: Input::Tokens(vec![65; 128]),
        grammar: None,
        sampling: Sampling {
            temperature: Some(0.0),
            ..Sampling::default()
        },
        limits: Limits {
            max_tokens: Some(TOKENS),
            stop: vec!["\n\n".to_owned()],
            ..Limits::default()
        },
        choices: 1,
        logprobs: None,
        prediction: None,
        priority: Default::default(),
        deadline: None,
        cache_salt: Default::default(),
    }
}

async fn answer_all(model: &LoadedModel, sequences: usize) -> usize {
    let mut generations = Vec::with_capacity(sequences);
    for _ in 0..sequences {
        match model.admit(request()).await {
            Ok(generation) => generations.push(generation),
            Err(error) => return error.to_string().len(),
        }
    }
    let mut events = futures::stream::select_all(generations);
    let mut bytes = 0;
    while let Some(event) = events.next().await {
        if let GenerationEvent::Text { text, .. } = event {
            bytes += text.len();
        }
    }
    bytes
}

/// Time per item is the whole path's overhead per token.
#[divan::bench(args = [1, 8, 32], sample_count = 20)]
fn per_token(bencher: Bencher<'_, '_>, sequences: usize) {
    let options = EngineOptions {
        slots: 32,
        ..EngineOptions::default()
    };
    let script = Script::answering("a".repeat(TOKENS as usize + 1));
    let model = scripted_model("bench", script.with_options(options).without_cache_check());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let (Ok(model), Ok(runtime)) = (model, runtime) else {
        return;
    };
    assert_eq!(runtime.block_on(answer_all(&model, 1)), TOKENS as usize);
    bencher
        .counter(ItemsCount::new(sequences * TOKENS as usize))
        .bench(|| runtime.block_on(answer_all(&model, sequences)));
}

/// One token from a row as a model would give it: most logits near zero, few high.
#[divan::bench(args = ["greedy", "temperature", "top_p", "top_k_top_p", "min_p", "logprobs"])]
fn sampler(bencher: Bencher<'_, '_>, name: &str) {
    let row: Vec<f32> = (0..VOCABULARY as u32)
        .map(|id| {
            let spread = (id.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
            8.0 * (spread - 0.5) + if id % 997 == 0 { 14.0 * spread } else { 0.0 }
        })
        .collect();
    let neutral = Settings::default();
    let settings = match name {
        "greedy" | "logprobs" => Settings {
            temperature: 0.0,
            ..neutral
        },
        "top_p" => Settings {
            temperature: 0.8,
            top_p: 0.95,
            ..neutral
        },
        "top_k_top_p" => Settings {
            temperature: 0.8,
            top_p: 0.95,
            top_k: 40,
            ..neutral
        },
        "min_p" => Settings {
            min_p: 0.05,
            ..neutral
        },
        _ => neutral,
    };
    let mut sampler = Sampler::new(SamplerSetup {
        settings: Arc::new(settings),
        seed: 1,
        prompt: &[],
        ending: Arc::from([]),
        min_tokens: 0,
        logprobs: (name == "logprobs").then_some(5),
    });
    let mut workspace = Workspace::default();
    bencher
        .with_inputs(|| row.clone())
        .bench_local_refs(|row| black_box(sampler.choose(row, &mut workspace)).is_ok());
}
