//! What an engine has read is there for the next one, or is read again: never something else.

use crate::engine::engine;
use crate::goldens::{Golden, fixtures, golden, open};
use futures::StreamExt;
use rustygpt_model::candle::CacheType;
use rustygpt_model::contract::{
    CacheSalt, GenerateRequest, GenerationEvent, Input, Limits, Sampling,
};
use rustygpt_model::engine::{EngineOptions, LoadedModel, PromptCache};
use rustygpt_model::weights::ModelFiles;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Tokens of an answer with the bits of their log-probabilities, and how many tokens of its prompt
/// were found.
type Answer = (Vec<(u32, u32)>, u32);

/// What happened to a file.
type Change = Box<dyn FnOnce(&mut Vec<u8>)>;

/// A model and a folder for what its engines read.
struct Home {
    golden: Golden,
    folder: TempDir,
}

impl Home {
    fn new(name: &str) -> Self {
        Self {
            golden: golden(fixtures().join(name)),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tiny.prompts")
    }

    fn start(&self, cache_type: CacheType, prompt_cache: Option<PromptCache>) -> LoadedModel {
        let options = EngineOptions {
            prompt_cache,
            ..EngineOptions::default()
        };
        let model = open(&self.golden.files[0], cache_type);
        engine(self.golden.vocabulary, model, options)
    }

    fn cache(&self) -> PromptCache {
        let files = ModelFiles::open(&self.golden.files[0]).unwrap();
        PromptCache {
            file: self.file(),
            most_bytes: 1 << 20,
            model: files.fingerprint().unwrap(),
            rest: Duration::MAX,
        }
    }

    /// Asks an engine of its own, which leaves behind what it has read.
    async fn ask(&self, prompt: &[u32], tenant: u8) -> Answer {
        let model = self.start(CacheType::F16, Some(self.cache()));
        let answer = ask(&model, prompt, tenant).await;
        model.shutdown().await;
        answer
    }

    /// What an engine answers that knows nothing from before.
    async fn cold(&self, prompt: &[u32]) -> Answer {
        let model = self.start(CacheType::F16, None);
        let answer = ask(&model, prompt, 1).await;
        model.shutdown().await;
        answer
    }
}

async fn ask(model: &LoadedModel, prompt: &[u32], tenant: u8) -> Answer {
    let request = GenerateRequest {
        input: Input::Tokens(prompt.to_vec()),
        grammar: None,
        sampling: Sampling {
            temperature: Some(0.0),
            ..Sampling::default()
        },
        limits: Limits {
            max_tokens: Some(40),
            ignore_eos: true,
            ..Limits::default()
        },
        choices: 1,
        logprobs: Some(0),
        prediction: None,
        priority: Default::default(),
        deadline: None,
        cache_salt: CacheSalt([tenant; 32]),
    };
    let mut events = model.admit(request).await.unwrap();
    let mut answer = (Vec::new(), 0);
    while let Some(event) = events.next().await {
        match event {
            GenerationEvent::Text { logprobs, .. } => {
                let tokens = logprobs.into_iter();
                (answer.0).extend(tokens.map(|token| (token.id, token.logprob.to_bits())));
            }
            GenerationEvent::Finish { usage, .. } => answer.1 = usage.cached_tokens,
            other => panic!("{other:?}"),
        }
    }
    answer
}

/// The next turn of a conversation.
fn next_turn(prompt: &[u32], answer: &Answer) -> Vec<u32> {
    let said = answer.0.iter().map(|&(token, _)| token);
    prompt.iter().copied().chain(said).chain([3, 4]).collect()
}

fn damaged(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    rustygpt_utils::paths::write_private(file, &bytes).unwrap();
}

#[tokio::test]
async fn the_next_turn_after_a_restart_is_found_and_answered_alike() {
    for name in ["llama", "gemma2", "phi3-longrope-short"] {
        let home = Home::new(name);
        let prompt = &home.golden.prompt;
        let first = home.ask(prompt, 1).await;
        assert_eq!(first.1, 0, "{name}");
        let second = next_turn(prompt, &first);
        let (expected, _) = home.cold(&second).await;
        let (said, cached) = home.ask(&second, 1).await;
        assert_eq!(said, expected, "{name}");
        assert!(cached >= 96, "{name}: {cached} of {}", second.len());
        // What was found before is kept for the third start too; another tenant finds nothing.
        assert_eq!(home.ask(&second, 2).await.1, 0, "{name}");
        let (said, cached_again) = home.ask(&second, 1).await;
        assert_eq!(said, expected, "{name}");
        assert!(cached_again >= cached, "{name}");
    }
}

#[tokio::test]
async fn a_damaged_or_foreign_file_costs_a_cold_start_and_no_more() {
    let home = Home::new("llama");
    let prompt = &home.golden.prompt;
    let expected = home.ask(prompt, 1).await;
    assert_eq!(expected.1, 0);
    let good = std::fs::read(home.file()).unwrap();
    let mut changes: Vec<Change> = vec![
        Box::new(|bytes| bytes.clear()),
        Box::new(|bytes| *bytes = b"RustyGPT texts 1".to_vec()),
        Box::new(|bytes| bytes.truncate(bytes.len() - 1)),
        Box::new(|bytes| bytes.push(0)),
        // More blocks than there are.
        Box::new(|bytes| bytes[88..96].fill(0xff)),
    ];
    for part in 0..16 {
        changes.push(Box::new(move |bytes| {
            let at = bytes.len() * part / 16;
            bytes[at] ^= 0x40;
        }));
    }
    for (index, change) in changes.into_iter().enumerate() {
        damaged(&home.file(), |bytes| {
            bytes.clone_from(&good);
            change(bytes);
        });
        assert_eq!(home.ask(prompt, 1).await, expected, "damage {index}");
        assert!(home.ask(prompt, 1).await.1 > 0, "written anew: {index}");
    }
    // The same file, and a model that keeps other values.
    damaged(&home.file(), |bytes| *bytes = good);
    let other = home.start(CacheType::F32, Some(home.cache()));
    assert_eq!(ask(&other, prompt, 1).await.1, 0);
    other.shutdown().await;
}

#[tokio::test]
async fn the_file_stays_within_its_size_and_keeps_beginnings() {
    let home = Home::new("llama");
    let prompt = home.golden.prompt.repeat(4);
    home.ask(&prompt, 1).await;
    let whole = std::fs::metadata(home.file()).unwrap().len();
    std::fs::remove_file(home.file()).unwrap();
    let small = PromptCache {
        most_bytes: whole / 2,
        ..home.cache()
    };
    let model = home.start(CacheType::F16, Some(small));
    ask(&model, &prompt, 1).await;
    model.shutdown().await;
    let half = std::fs::metadata(home.file()).unwrap().len();
    assert!(half <= whole / 2 + 200, "{half} of {whole} bytes");
    let (_, cached) = home.ask(&prompt, 1).await;
    assert!(cached as usize >= prompt.len() / 3, "{cached}");
}

#[tokio::test]
async fn an_engine_that_rests_writes_down_what_it_has_read() {
    let home = Home::new("llama");
    let resting = PromptCache {
        rest: Duration::ZERO,
        ..home.cache()
    };
    let model = home.start(CacheType::F16, Some(resting));
    ask(&model, &home.golden.prompt, 1).await;
    while !home.file().exists() {
        assert_eq!(model.status().stopped, None);
        tokio::task::yield_now().await;
    }
    // As if the first had lost its power now.
    assert!(home.ask(&home.golden.prompt, 1).await.1 > 0);
    model.shutdown().await;
}
