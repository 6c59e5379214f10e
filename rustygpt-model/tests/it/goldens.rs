//! The engine against an independent float64 reference: `scripts/goldens/make_models.py` made the
//! models and what `transformers` computes with them.

use rustygpt_model::candle::{CacheType, CandleModel, ComputeDevice, LoadOptions, load};
use rustygpt_model::contract::{
    BlockId, Forward, LogitRows, Logits, Phase, SequenceId, SequenceStep, StepPlan,
};
use rustygpt_model::weights::ModelFiles;
use std::path::{Path, PathBuf};

const BLOCK_SIZE: usize = 16;
/// How far logits may lie apart where activations are rounded to eight bits: a tenth of how they
/// vary.
const ROUNDED: f32 = 0.3;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// What the reference computed for one model.
pub(crate) struct Golden {
    pub(crate) case: PathBuf,
    pub(crate) prompt: Vec<u32>,
    pub(crate) greedy: Vec<u32>,
    pub(crate) vocabulary: usize,
    /// `prompt × vocabulary`.
    logits: Vec<f32>,
    /// Whether weights are small integers, by which activations are multiplied rounded.
    is_rounded: bool,
    pub(crate) files: Vec<PathBuf>,
}

fn goldens() -> Vec<Golden> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("golden.json").exists())
        .collect();
    cases.sort();
    assert!(cases.len() >= 12, "the goldens are incomplete: {cases:?}");
    cases.into_iter().map(golden).collect()
}

pub(crate) fn golden(case: PathBuf) -> Golden {
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(case.join("golden.json")).unwrap()).unwrap();
    let ids = |key: &str| -> Vec<u32> {
        json[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect()
    };
    let logits = std::fs::read(case.join(json["logits"].as_str().unwrap())).unwrap();
    let mut files = Vec::new();
    if let Some(gguf) = json["gguf"].as_str() {
        files.push(case.join(gguf));
    }
    if json["safetensors"].as_bool().unwrap() {
        files.push(case.clone());
    }
    Golden {
        prompt: ids("prompt"),
        greedy: ids("greedy"),
        vocabulary: json["vocab_size"].as_u64().unwrap() as usize,
        logits: logits
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        is_rounded: json["is_rounded"].as_bool().unwrap_or(false),
        files,
        case,
    }
}

impl Golden {
    /// The largest distance of logits from the reference.
    fn distance(&self, logits: &[f32]) -> f32 {
        assert_eq!(logits.len(), self.logits.len(), "{}", self.case.display());
        let pairs = logits.iter().zip(&self.logits);
        pairs
            .map(|(ours, theirs)| (ours - theirs).abs())
            .fold(0.0, f32::max)
    }
}

pub(crate) fn open(path: &Path, cache_type: CacheType) -> CandleModel {
    let files = ModelFiles::open(path).unwrap_or_else(|error| panic!("{error}"));
    let options = LoadOptions {
        block_size: BLOCK_SIZE,
        cache_type,
        ..LoadOptions::default()
    };
    load(&files, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// A sequence whose blocks are every second one from `first`, so that neighbours are never its own.
fn step(
    sequence: u64,
    first: u32,
    start: usize,
    tokens: &[u32],
    logits: LogitRows,
) -> SequenceStep {
    let blocks = (start + tokens.len()).div_ceil(BLOCK_SIZE) as u32;
    SequenceStep {
        sequence: SequenceId(sequence),
        tokens: tokens.to_vec(),
        start,
        phase: Phase::Prompt,
        prompt_length: start + tokens.len(),
        block_table: (0..blocks)
            .map(|block| BlockId(first + 2 * block))
            .collect(),
        logits,
    }
}

fn forward(model: &mut CandleModel, sequences: Vec<SequenceStep>) -> Logits {
    model
        .forward(&StepPlan {
            sequences,
            ended: Vec::new(),
        })
        .unwrap()
}

fn best(row: &[f32]) -> u32 {
    let mut best = 0;
    for (id, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = id;
        }
    }
    best as u32
}

#[test]
fn logits_agree_with_the_reference() {
    for golden in goldens() {
        for file in &golden.files {
            let mut model = open(file, CacheType::F32);
            let logits = forward(
                &mut model,
                vec![step(1, 0, 0, &golden.prompt, LogitRows::All)],
            );
            assert_eq!(logits.vocabulary, golden.vocabulary, "{}", file.display());
            let worst = golden.distance(&logits.values);
            let tolerance = match golden.is_rounded {
                true => ROUNDED,
                false => 1e-3,
            };
            assert!(
                worst <= tolerance,
                "{}: logits differ by {worst}",
                file.display()
            );
        }
    }
}

#[test]
fn greedy_tokens_equal_the_reference() {
    for golden in goldens().into_iter().filter(|golden| !golden.is_rounded) {
        for file in &golden.files {
            let mut model = open(file, CacheType::F32);
            let mut tokens = golden.prompt.clone();
            let mut position = 0;
            let mut greedy = Vec::new();
            while greedy.len() < golden.greedy.len() {
                let sequence = SequenceStep {
                    phase: match position {
                        0 => Phase::Prompt,
                        _ => Phase::Answer,
                    },
                    prompt_length: golden.prompt.len(),
                    ..step(1, 1, position, &tokens, LogitRows::Last)
                };
                let logits = forward(&mut model, vec![sequence]);
                position += tokens.len();
                let next = best(&logits.values);
                greedy.push(next);
                tokens = vec![next];
            }
            assert_eq!(greedy, golden.greedy, "{}", file.display());
        }
    }
}

/// Four sequences of different lengths, one of them in chunks, share passes with each other; each
/// must compute what it computes alone.
#[test]
fn a_ragged_batch_computes_what_each_sequence_computes_alone() {
    for golden in goldens() {
        let file = &golden.files[0];
        let lengths = [64, 37, 5, 1];
        let alone: Vec<Vec<f32>> = lengths
            .iter()
            .map(|&length| {
                let tokens = &golden.prompt[..length];
                let mut model = open(file, CacheType::F32);
                forward(&mut model, vec![step(1, 0, 0, tokens, LogitRows::Last)]).values
            })
            .collect();
        let mut model = open(file, CacheType::F32);
        // The first 40 tokens of the longest go ahead; its rest shares a pass with the others.
        forward(
            &mut model,
            vec![step(0, 0, 0, &golden.prompt[..40], LogitRows::None)],
        );
        let mut sequences = vec![step(0, 0, 40, &golden.prompt[40..64], LogitRows::Last)];
        for (index, &length) in lengths.iter().enumerate().skip(1) {
            let first = 1 + 16 * index as u32;
            sequences.push(step(
                index as u64,
                first,
                0,
                &golden.prompt[..length],
                LogitRows::Last,
            ));
        }
        let together = forward(&mut model, sequences);
        for ((row, alone), length) in together.rows().zip(&alone).zip(lengths) {
            let worst = row
                .iter()
                .zip(alone)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(
                worst <= 1e-4,
                "{}: {length} tokens: {worst}",
                golden.case.display()
            );
        }
    }
}

/// A sequence takes over the blocks of another that has ended, and every guess of its next tokens is
/// wrong, across the edges of blocks: whatever a family keeps beside keys and values, what it goes
/// on with is what it would have alone.
#[test]
fn taking_blocks_over_and_dropping_guesses_changes_nothing() {
    const STEPS: usize = 2 * BLOCK_SIZE + 3;
    for golden in goldens().into_iter().filter(|golden| !golden.is_rounded) {
        let mut model = open(&golden.files[0], CacheType::F32);
        let length = golden.prompt.len();
        let shared = length - length % BLOCK_SIZE - BLOCK_SIZE;
        // The one that is taken over from ended in the middle of its answer.
        let first = step(1, 0, 0, &golden.prompt[..shared + 5], LogitRows::None);
        forward(&mut model, vec![first]);
        let plan = StepPlan {
            sequences: vec![SequenceStep {
                prompt_length: length,
                ..step(2, 0, shared, &golden.prompt[shared..], LogitRows::Last)
            }],
            ended: vec![SequenceId(1)],
        };
        let mut next = best(&model.forward(&plan).unwrap().values);
        for index in 0..STEPS {
            assert_eq!(
                next,
                golden.greedy[index],
                "{}: step {index}",
                golden.case.display()
            );
            let guess = |offset: usize| (golden.greedy[index + offset] + 1) % 256;
            let tokens: Vec<u32> = [next].into_iter().chain((1..=3).map(guess)).collect();
            let sequence = SequenceStep {
                phase: Phase::Answer,
                prompt_length: length,
                ..step(2, 0, length + index, &tokens, LogitRows::All)
            };
            let logits = forward(&mut model, vec![sequence]);
            next = best(&logits.values[..golden.vocabulary]);
        }
    }
}

#[test]
fn four_bit_experts_are_the_same_from_both_kinds_of_file() {
    let golden = golden(fixtures().join("gpt-oss-mxfp4"));
    let [gguf, directory] = [&golden.files[0], &golden.files[1]].map(|file| {
        let mut model = open(file, CacheType::F32);
        let sequence = step(1, 0, 0, &golden.prompt, LogitRows::All);
        forward(&mut model, vec![sequence]).values
    });
    let pairs = gguf.iter().zip(&directory);
    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // GGUF keeps the base of the rotation in fewer digits.
    assert!(worst <= 1e-4, "{worst}");
}

/// What runs on CUDA and Metal, here on the processor: a prompt in two chunks beside a stranger.
#[test]
fn the_path_of_accelerators_agrees_with_the_reference() {
    for golden in goldens() {
        for file in &golden.files {
            let files = ModelFiles::open(file).unwrap();
            let options = LoadOptions {
                block_size: BLOCK_SIZE,
                cache_type: CacheType::F32,
                device: ComputeDevice::Reference,
                ..LoadOptions::default()
            };
            let mut model = match load(&files, &options) {
                Ok(model) => model,
                Err(error) => {
                    assert!(error.to_string().contains("on an accelerator"), "{error}");
                    continue;
                }
            };
            let length = golden.prompt.len();
            let cut = length / 2 + 3;
            let whole = |step: SequenceStep| SequenceStep {
                prompt_length: length,
                ..step
            };
            let first = whole(step(1, 0, 0, &golden.prompt[..cut], LogitRows::All));
            let stranger = step(2, 1, 0, &golden.prompt[5..30], LogitRows::None);
            let mut values = forward(&mut model, vec![first, stranger]).values;
            let second = whole(step(1, 0, cut, &golden.prompt[cut..], LogitRows::All));
            values.extend(forward(&mut model, vec![second]).values);
            let worst = golden.distance(&values);
            assert!(
                worst <= 1e-3,
                "{}: logits differ by {worst}",
                file.display()
            );
        }
    }
}

#[test]
fn a_half_precision_cache_stays_close() {
    for cache_type in [CacheType::F16, CacheType::Bf16] {
        let golden = golden(fixtures().join("llama"));
        let mut model = open(&golden.files[0], cache_type);
        let logits = forward(
            &mut model,
            vec![step(1, 0, 0, &golden.prompt, LogitRows::All)],
        );
        let worst = golden.distance(&logits.values);
        let tolerance = if cache_type == CacheType::F16 {
            5e-2
        } else {
            4e-1
        };
        assert!(worst > 0.0 && worst <= tolerance, "{cache_type:?}: {worst}");
    }
}

#[test]
fn a_plan_that_does_not_fit_is_refused() {
    let golden = golden(fixtures().join("llama"));
    let mut model = open(&golden.case, CacheType::F32);
    let geometry = model.geometry();
    let mut refuse = |sequence: SequenceStep| {
        let plan = StepPlan {
            sequences: vec![sequence],
            ended: Vec::new(),
        };
        assert!(model.forward(&plan).is_err(), "{plan:?}");
    };
    refuse(step(1, 0, 0, &[], LogitRows::Last));
    refuse(step(
        1,
        0,
        0,
        &[geometry.vocabulary as u32],
        LogitRows::Last,
    ));
    refuse(step(
        1,
        geometry.block_count as u32,
        0,
        &[1],
        LogitRows::Last,
    ));
    refuse(step(1, 0, geometry.context_length, &[1], LogitRows::Last));
    refuse(SequenceStep {
        block_table: Vec::new(),
        ..step(1, 0, 0, &[1], LogitRows::Last)
    });
}
