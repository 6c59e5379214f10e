//! Prefill and decode of one model file: `cargo bench -p rustygpt-model --features candle --bench
//! forward -- MODEL [--prompt 512] [--decode 64] [--sequences 1,8] [--repetitions 3]`.
//!
//! Prints one JSON object. Whole passes of whole models take seconds, so a plain clock serves
//! better than a statistics harness; `scripts/bench/compare.py` interleaves it with llama.cpp.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark talks to its caller"
)]

use rustygpt_model::candle::{CandleModel, LoadOptions, load};
use rustygpt_model::contract::{
    BlockId, Forward, LogitRows, Phase, SequenceId, SequenceStep, StepPlan,
};
use rustygpt_model::weights::ModelFiles;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

struct Arguments {
    model: PathBuf,
    prompt: usize,
    decode: usize,
    sequences: Vec<usize>,
    repetitions: usize,
}

fn arguments() -> Option<Arguments> {
    let mut parsed = Arguments {
        model: PathBuf::new(),
        prompt: 512,
        decode: 64,
        sequences: vec![1, 8],
        repetitions: 3,
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--prompt" => parsed.prompt = words.next()?.parse().ok()?,
            "--decode" => parsed.decode = words.next()?.parse().ok()?,
            "--repetitions" => parsed.repetitions = words.next()?.parse().ok()?,
            "--sequences" => {
                parsed.sequences = words
                    .next()?
                    .split(',')
                    .map(|n| n.parse().ok())
                    .collect::<Option<_>>()?;
            }
            path => parsed.model = PathBuf::from(path),
        }
    }
    (!parsed.model.as_os_str().is_empty()).then_some(parsed)
}

/// One step of `sequences` sequences, each reading `tokens` from position `start`.
fn step(model: &mut CandleModel, sequences: usize, start: usize, tokens: usize) {
    let geometry = model.geometry();
    let blocks = geometry.context_length / geometry.block_size;
    let plan = StepPlan {
        sequences: (0..sequences)
            .map(|sequence| SequenceStep {
                sequence: SequenceId(sequence as u64),
                // Any ids do: the arithmetic does not depend on them.
                tokens: (0..tokens)
                    .map(|i| ((i * 7919 + sequence * 31 + start) % geometry.vocabulary) as u32)
                    .collect(),
                start,
                phase: match tokens {
                    1 => Phase::Answer,
                    _ => Phase::Prompt,
                },
                prompt_length: match tokens {
                    1 => start,
                    _ => start + tokens,
                },
                block_table: (0..blocks)
                    .map(|block| BlockId((sequence * blocks + block) as u32))
                    .collect(),
                logits: LogitRows::Last,
            })
            .collect(),
        ended: Vec::new(),
    };
    model.forward(&plan).unwrap();
}

fn main() {
    let Some(arguments) = arguments() else {
        println!("skipped: name a model file (see the head of this file)");
        return;
    };
    let most = arguments
        .sequences
        .iter()
        .copied()
        .max()
        .unwrap_or(1)
        .max(1);
    let begun = Instant::now();
    let files = ModelFiles::open(&arguments.model).unwrap();
    let options = LoadOptions {
        context_length: Some((arguments.prompt + arguments.decode).next_multiple_of(32)),
        slots: most,
        ..LoadOptions::default()
    };
    let mut model = load(&files, &options).unwrap();
    drop(files);
    let load_seconds = begun.elapsed().as_secs_f64();
    step(&mut model, 1, 0, 16);
    let mut runs = Vec::new();
    for _ in 0..arguments.repetitions {
        let begun = Instant::now();
        step(&mut model, 1, 0, arguments.prompt);
        let prefill = arguments.prompt as f64 / begun.elapsed().as_secs_f64();
        let mut decode = serde_json::Map::new();
        for &sequences in &arguments.sequences {
            let begun = Instant::now();
            for position in 0..arguments.decode {
                step(&mut model, sequences, position, 1);
            }
            let tokens = (arguments.decode * sequences) as f64;
            decode.insert(
                sequences.to_string(),
                (tokens / begun.elapsed().as_secs_f64()).into(),
            );
        }
        runs.push(json!({ "prefill": prefill, "decode": decode }));
    }
    println!(
        "{}",
        json!({
            "model": arguments.model.file_name().and_then(|name| name.to_str()),
            "prompt": arguments.prompt,
            "decode_tokens": arguments.decode,
            "load_seconds": load_seconds,
            "tokens_per_second": runs,
        })
    );
}
