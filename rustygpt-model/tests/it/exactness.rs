//! Batched equals alone: whatever shares the engine with a request, and however its text is cut,
//! cached, guessed or computed again, its answer is the one it has alone, bit by bit.
//!
//! Schedules of requests are drawn at random and shrunk when one fails. `PROPTEST_CASES=1000` tries
//! more of them than the few that every run of the tests does.

use crate::engine::engine;
use crate::goldens::{fixtures, golden};
use crate::random_model;
use futures::StreamExt;
use futures::future::select_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustygpt_model::candle::{CacheType, CandleModel, ComputeDevice, LoadOptions, load};
use rustygpt_model::contract::{
    CacheSalt, FinishReason, Forward, ForwardError, GenerateRequest, GenerationEvent, Geometry,
    Input, Limits, Logits, Sampling, StepPlan,
};
use rustygpt_model::engine::{EngineOptions, EngineStatus, Generation};
use rustygpt_model::weights::{ElementType, ModelFiles};
use rustygpt_utils::clock::ManualClock;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Tokens of the longest prompt and of the longest answer, before a subject stretches the prompt.
const LONGEST_PROMPT: usize = 120;
const LONGEST_ANSWER: usize = 48;
/// Schedules that each run of the tests tries on each model.
const FEW: u32 = 6;

/// A request of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wish {
    /// Which of a few texts it begins with: requests share beginnings.
    text: usize,
    length: usize,
    answer: usize,
    /// At temperature 1 with this seed; greedy without.
    seed: Option<u64>,
    penalises: bool,
}

/// When a request comes and goes, and whose it is.
#[derive(Clone, Debug)]
struct Visit {
    wish: Wish,
    tenant: u8,
    /// In passes from the beginning.
    arrives: usize,
    /// Who waited for it goes away after so many more.
    leaves: Option<usize>,
}

/// Requests, and an engine for them.
#[derive(Clone, Debug)]
struct Schedule {
    visits: Vec<Visit>,
    slots: usize,
    max_step_tokens: usize,
    beside: Option<usize>,
    /// Positions of the cache beyond those of the longest text.
    room: usize,
    is_speculating: bool,
    cache: Cache,
}

/// How texts are kept: what a request computes alone depends on it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cache {
    kind: u8,
    block_size: usize,
}

fn visits() -> impl Strategy<Value = Visit> {
    let wish = (
        0..3usize,
        1..=LONGEST_PROMPT,
        1..=LONGEST_ANSWER,
        prop::option::of(0..1000u64),
        prop::bool::weighted(0.2),
    );
    let wish = wish.prop_map(|(text, length, answer, seed, penalises)| Wish {
        text,
        length,
        answer,
        seed,
        penalises,
    });
    let leaves = prop::option::weighted(0.15, 0..60usize);
    (wish, 0..2u8, 0..40usize, leaves).prop_map(|(wish, tenant, arrives, leaves)| Visit {
        wish,
        tenant,
        arrives,
        leaves,
    })
}

fn schedules() -> impl Strategy<Value = Schedule> {
    (
        prop::collection::vec(visits(), 1..10),
        1..7usize,
        prop_oneof![1..24usize, 24..300usize],
        prop::option::of(0..40usize),
        0..200usize,
        any::<bool>(),
        (0..3u8, prop_oneof![Just(8), Just(16), Just(32)]),
    )
        .prop_map(
            |(visits, slots, max_step_tokens, beside, room, is_speculating, cache)| Schedule {
                visits,
                slots,
                max_step_tokens,
                beside,
                room,
                is_speculating,
                cache: Cache {
                    kind: cache.0,
                    block_size: cache.1,
                },
            },
        )
}

/// A model, and what its requests say alone.
struct Subject {
    path: PathBuf,
    vocabulary: usize,
    device: ComputeDevice,
    /// Prompts are so many times longer than wished.
    stretch: usize,
    is_deterministic: bool,
    alone: HashMap<(Cache, usize, Wish), Answer>,
    seen: EngineStatus,
    most_together: usize,
}

/// What became of a request: each token with the bits of its log-probability and of those that
/// might have been, and the text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Answer {
    tokens: Vec<(u32, u32)>,
    text: String,
    reason: Option<FinishReason>,
}

impl Answer {
    fn note(&mut self, event: GenerationEvent) {
        match event {
            GenerationEvent::Text { text, logprobs, .. } => {
                self.text.push_str(&text);
                for token in logprobs {
                    self.tokens.push((token.id, token.logprob.to_bits()));
                    let top = token.top.iter();
                    self.tokens
                        .extend(top.map(|top| (top.id, top.logprob.to_bits())));
                }
            }
            GenerationEvent::Finish { reason, .. } => self.reason = Some(reason),
            other => panic!("{other:?}"),
        }
    }
}

/// A model whose every pass is told of and waits.
struct Paced {
    model: CandleModel,
    block_count: usize,
    begins: UnboundedSender<usize>,
    go: mpsc::Receiver<()>,
}

impl Forward for Paced {
    fn geometry(&self) -> Geometry {
        let geometry = self.model.geometry();
        Geometry {
            block_count: geometry.block_count.min(self.block_count),
            ..geometry
        }
    }

    fn forward(&mut self, plan: &StepPlan) -> Result<Logits, ForwardError> {
        // Errors: nobody waits any more, so that what is left may run.
        let _ = self.begins.send(plan.sequences.len());
        let _ = self.go.recv();
        self.model.forward(plan)
    }
}

impl Subject {
    fn new(path: PathBuf, vocabulary: usize) -> Self {
        Self {
            path,
            vocabulary,
            device: ComputeDevice::Processor,
            stretch: 1,
            is_deterministic: false,
            alone: HashMap::new(),
            seen: EngineStatus::default(),
            most_together: 0,
        }
    }

    fn golden(name: &str) -> Self {
        let golden = golden(fixtures().join(name));
        Self::new(golden.files[0].clone(), golden.vocabulary)
    }

    fn stretched(self, stretch: usize) -> Self {
        Self { stretch, ..self }
    }

    fn model(&self, cache: Cache) -> CandleModel {
        let options = LoadOptions {
            block_size: cache.block_size,
            cache_type: [CacheType::F16, CacheType::F32, CacheType::Bf16][usize::from(cache.kind)],
            device: self.device,
            ..LoadOptions::default()
        };
        load(&ModelFiles::open(&self.path).unwrap(), &options).unwrap()
    }

    fn request(&self, wish: &Wish, tenant: u8) -> GenerateRequest {
        // One text never repeats itself, one does so soon and one later.
        let period = [usize::MAX, 7, 40][wish.text];
        let token = |position: usize| {
            let position = position % period;
            ((position * 2_654_435_761 + wish.text * 97) >> 7) % self.vocabulary.min(256)
        };
        let length = wish.length * self.stretch;
        GenerateRequest {
            input: Input::Tokens((0..length).map(|place| token(place) as u32).collect()),
            grammar: None,
            sampling: Sampling {
                temperature: Some(f32::from(u8::from(wish.seed.is_some()))),
                seed: wish.seed,
                repetition_penalty: wish.penalises.then_some(1.1),
                ..Sampling::default()
            },
            limits: Limits {
                max_tokens: Some(wish.answer as u32),
                ignore_eos: true,
                ..Limits::default()
            },
            choices: 1,
            logprobs: Some(2),
            prediction: None,
            priority: Default::default(),
            deadline: None,
            cache_salt: CacheSalt([tenant; 32]),
        }
    }

    /// What a request says when there has never been another: read at once where that makes no
    /// difference, nothing found, nothing guessed.
    async fn alone(&mut self, schedule: &Schedule, wish: &Wish) -> Answer {
        let max_step_tokens = match self.device {
            ComputeDevice::Processor => 4096,
            _ => schedule.max_step_tokens * self.stretch,
        };
        let key = (schedule.cache, max_step_tokens, wish.clone());
        if let Some(known) = self.alone.get(&key) {
            return known.clone();
        }
        let options = EngineOptions {
            slots: 1,
            max_step_tokens,
            is_speculating: false,
            is_deterministic: self.is_deterministic,
            ..EngineOptions::default()
        };
        let engine = engine(self.vocabulary, self.model(schedule.cache), options);
        let mut answer = Answer::default();
        let mut events = engine.admit(self.request(wish, 0)).await.unwrap();
        while let Some(event) = events.next().await {
            answer.note(event);
        }
        engine.shutdown().await;
        self.alone.insert(key, answer.clone());
        answer
    }

    /// The answers of those who waited for theirs.
    async fn together(&mut self, schedule: &Schedule) -> Vec<(Wish, Answer)> {
        let (begins, mut passes) = unbounded_channel();
        let (go, wait) = mpsc::channel();
        let longest = LONGEST_PROMPT * self.stretch + LONGEST_ANSWER;
        let forward = Paced {
            model: self.model(schedule.cache),
            block_count: (longest + schedule.room).div_ceil(schedule.cache.block_size),
            begins,
            go: wait,
        };
        let options = EngineOptions {
            slots: schedule.slots,
            queue_limit: 100,
            // Stretched prompts in the least of chunks would take minutes.
            max_step_tokens: schedule.max_step_tokens * self.stretch,
            prompt_tokens_beside_answers: schedule.beside,
            is_speculating: schedule.is_speculating,
            is_deterministic: self.is_deterministic,
            // What pays, and so which passes there are, must not depend on the machine.
            clock: Arc::new(ManualClock::at(Duration::ZERO)),
            ..EngineOptions::default()
        };
        let engine = engine(self.vocabulary, forward, options);
        let mut coming = schedule.visits.clone();
        coming.sort_by_key(|visit| std::cmp::Reverse(visit.arrives));
        let mut here: Vec<(Visit, Generation, Answer)> = Vec::new();
        let mut answers = Vec::new();
        let mut pass = 0;
        loop {
            while let Some(visit) = coming.pop_if(|visit| visit.arrives <= pass || here.is_empty())
            {
                let request = self.request(&visit.wish, visit.tenant);
                let generation = engine.admit(request).await.unwrap();
                let leaves = visit.leaves.map(|after| pass + after);
                here.push((Visit { leaves, ..visit }, generation, Answer::default()));
            }
            here.retain(|(visit, ..)| visit.leaves.is_none_or(|leaves| leaves > pass));
            if here.is_empty() {
                if coming.is_empty() {
                    break;
                }
                continue;
            }
            let events = here.iter_mut().map(|(_, generation, _)| generation.next());
            let next = async {
                let (event, index, _) = select_all(events).await;
                (event, index)
            };
            tokio::select! {
                Some(sequences) = passes.recv() => {
                    pass += 1;
                    self.most_together = self.most_together.max(sequences);
                    go.send(()).unwrap();
                }
                (event, index) = next => match event {
                    Some(event) => here[index].2.note(event),
                    None => {
                        let (visit, _, answer) = here.swap_remove(index);
                        answers.push((visit.wish, answer));
                    }
                },
            }
        }
        drop(go);
        engine.shutdown().await;
        let status = engine.status();
        assert_eq!(status.kv_blocks_used, 0);
        self.seen.preemptions_total += status.preemptions_total;
        self.seen.cached_prompt_tokens_total += status.cached_prompt_tokens_total;
        self.seen.guesses_come_true_total += status.guesses_come_true_total;
        answers
    }

    fn check(&mut self, schedule: &Schedule) -> Result<(), TestCaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            for (wish, answer) in self.together(schedule).await {
                let alone = self.alone(schedule, &wish).await;
                prop_assert_eq!(answer, alone, "{:?}", wish);
            }
            Ok(())
        })
    }

    /// Tries schedules, the same ones every time.
    fn try_schedules(mut self) -> Self {
        let cases = std::env::var("PROPTEST_CASES").ok();
        let config = Config {
            cases: cases.and_then(|text| text.parse().ok()).unwrap_or(FEW),
            failure_persistence: None,
            max_shrink_iters: 500,
            ..Config::default()
        };
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let name = self.path.display().to_string();
        let this = std::cell::RefCell::new(&mut self);
        let outcome = TestRunner::new_with_rng(config, random)
            .run(&schedules(), |schedule| this.borrow_mut().check(&schedule));
        if let Err(error) = outcome {
            panic!("{name}: {error}");
        }
        self
    }
}

/// Tries every model, and that what could make a difference did happen.
fn try_all(subjects: impl IntoIterator<Item = Subject>) {
    let mut seen = EngineStatus::default();
    let mut most_together = 0;
    for subject in subjects {
        let subject = subject.try_schedules();
        most_together = most_together.max(subject.most_together);
        seen.preemptions_total += subject.seen.preemptions_total;
        seen.cached_prompt_tokens_total += subject.seen.cached_prompt_tokens_total;
        seen.guesses_come_true_total += subject.seen.guesses_come_true_total;
    }
    assert!(
        most_together >= 4,
        "never more than {most_together} at once"
    );
    assert!(seen.preemptions_total > 0, "blocks never ran out");
    assert!(seen.cached_prompt_tokens_total > 0, "nothing was found");
    assert!(seen.guesses_come_true_total > 0, "no guess came true");
}

#[test]
fn answers_of_every_kind_of_layer_are_the_same_together_and_alone() {
    try_all([
        // Prompts longer than a range of attention, and than LongRoPE's first frequencies serve.
        Subject::golden("llama").stretched(5),
        Subject::golden("phi3-longrope-short").stretched(4),
        Subject::golden("qwen2"),
        Subject::golden("gemma2"),
        Subject::golden("mistral-sliding"),
        Subject::golden("qwen3-moe-mixed"),
        Subject::golden("gpt-oss"),
        Subject::golden("lfm2"),
    ]);
}

#[test]
fn answers_of_every_type_of_weights_are_the_same_together_and_alone() {
    use ElementType::{BF16, F16, Q4_0, Q4K, Q5K, Q6K, Q8_0};
    let folder = tempfile::tempdir().unwrap();
    let types: [&[ElementType]; 5] = [&[Q4K, Q4K, Q6K], &[Q5K, Q4_0], &[Q8_0], &[BF16], &[F16]];
    try_all(types.map(|types| {
        let path = random_model::write(folder.path(), types);
        Subject::new(path, random_model::VOCABULARY)
    }));
}

/// The tensor library's own products depend on how many rows there are: with the setting, choices
/// are computed one by one.
#[test]
fn on_accelerators_answers_are_the_same_when_they_have_to_be() {
    let mut subject = Subject {
        device: ComputeDevice::Reference,
        is_deterministic: true,
        ..Subject::golden("llama")
    };
    subject = subject.try_schedules();
    assert_eq!(subject.most_together, 1);
    assert_eq!(subject.seen.cached_prompt_tokens_total, 0);
}
