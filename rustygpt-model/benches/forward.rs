//! Prefill and decode of one model file: `cargo bench -p rustygpt-model --features candle --bench
//! forward -- MODEL [--prompt 512] [--decode 64] [--sequences 1,8] [--depths 0] [--repetitions 3]
//! [--threads 2]`.
//!
//! `--depths` is how many tokens each sequence holds before it decodes; they are read first, a chunk
//! at a time, and that is timed as well. Prints one JSON object, with the machine's read bandwidth, which
//! bounds decoding. Whole passes of whole models take
//! seconds, so a plain clock serves better than a statistics harness; `scripts/bench/compare.py`
//! interleaves it with llama.cpp.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark talks to its caller"
)]

use rustygpt_model::candle::{CandleModel, LoadOptions, load, use_threads};
use rustygpt_model::contract::{
    BlockId, Forward, LogitRows, Phase, SequenceId, SequenceStep, StepPlan,
};
use rustygpt_model::weights::ModelFiles;
use serde_json::json;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

struct Arguments {
    model: PathBuf,
    prompt: usize,
    decode: usize,
    sequences: Vec<usize>,
    depths: Vec<usize>,
    repetitions: usize,
    threads: usize,
}

/// Tokens of a prompt read in one step.
const CHUNK: usize = 512;

fn list(words: &str) -> Option<Vec<usize>> {
    words.split(',').map(|word| word.parse().ok()).collect()
}

fn arguments() -> Option<Arguments> {
    let mut parsed = Arguments {
        model: PathBuf::new(),
        prompt: 512,
        decode: 64,
        sequences: vec![1, 8],
        depths: vec![0],
        repetitions: 3,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--prompt" => parsed.prompt = words.next()?.parse().ok()?,
            "--decode" => parsed.decode = words.next()?.parse().ok()?,
            "--repetitions" => parsed.repetitions = words.next()?.parse().ok()?,
            "--threads" => parsed.threads = words.next()?.parse().ok()?,
            "--sequences" => parsed.sequences = list(&words.next()?)?,
            "--depths" => parsed.depths = list(&words.next()?)?,
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

/// Bytes per second that `threads` threads read from memory: the best of a few passes over more than
/// any cache holds.
fn read_bandwidth(threads: usize) -> f64 {
    const WORDS: usize = (1 << 30) / size_of::<u64>();
    let memory = vec![1u64; WORDS];
    let pass = || {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for part in memory.chunks(WORDS.div_ceil(threads)) {
                scope.spawn(move || black_box(part.iter().fold(0u64, |sum, &word| sum ^ word)));
            }
        });
        size_of_val(memory.as_slice()) as f64 / begun.elapsed().as_secs_f64()
    };
    (0..5).map(|_| pass()).fold(0.0, f64::max)
}

fn main() {
    let Some(arguments) = arguments() else {
        println!("skipped: name a model file (see the head of this file)");
        return;
    };
    use_threads(arguments.threads).unwrap();
    let most = |numbers: &[usize]| numbers.iter().copied().max().unwrap_or(0);
    let slots = most(&arguments.sequences).max(1);
    let longest = arguments
        .prompt
        .max(most(&arguments.depths) + arguments.decode)
        .max(16);
    let begun = Instant::now();
    let files = ModelFiles::open(&arguments.model).unwrap();
    let options = LoadOptions {
        context_length: Some(longest.next_multiple_of(32)),
        slots,
        ..LoadOptions::default()
    };
    let mut model = load(&files, &options).unwrap();
    drop(files);
    let load_seconds = begun.elapsed().as_secs_f64();
    step(&mut model, 1, 0, 16);
    let mut runs = Vec::new();
    for _ in 0..arguments.repetitions {
        let mut run = json!({ "fill": {}, "decode": {} });
        if arguments.prompt > 0 {
            let begun = Instant::now();
            step(&mut model, 1, 0, arguments.prompt);
            run["prefill"] = json!(arguments.prompt as f64 / begun.elapsed().as_secs_f64());
        }
        for &depth in &arguments.depths {
            for &sequences in &arguments.sequences {
                let begun = Instant::now();
                for start in (0..depth).step_by(CHUNK) {
                    step(&mut model, sequences, start, CHUNK.min(depth - start));
                }
                let filled = (depth * sequences) as f64 / begun.elapsed().as_secs_f64();
                let begun = Instant::now();
                for position in depth..depth + arguments.decode {
                    step(&mut model, sequences, position, 1);
                }
                let tokens = (arguments.decode * sequences) as f64;
                let (at, of) = (depth.to_string(), sequences.to_string());
                run["fill"][&at][&of] = json!(filled);
                run["decode"][&at][&of] = json!(tokens / begun.elapsed().as_secs_f64());
            }
        }
        runs.push(run);
    }
    println!(
        "{}",
        json!({
            "model": arguments.model.file_name().and_then(|name| name.to_str()),
            "prompt": arguments.prompt,
            "decode_tokens": arguments.decode,
            "load_seconds": load_seconds,
            "read_bytes_per_second": read_bandwidth(arguments.threads),
            "tokens_per_second": runs,
        })
    );
}
