//! The whole engine on real, tiny models: answers that share passes, come in chunks or are computed
//! again after a pre-emption must be the answers of the reference.

use crate::goldens::{Golden, fixtures, golden, open};
use futures::StreamExt;
use rustygpt_model::candle::CacheType;
use rustygpt_model::contract::{
    Forward, ForwardError, GenerateRequest, GenerationDefaults, GenerationEvent, Geometry, Input,
    Limits, Logits, ModelDescription, ModelKind, Sampling, StepPlan,
};
use rustygpt_model::engine::{EngineOptions, EngineStatus, Generation, LoadedModel, ModelParts};
use rustygpt_model::prompt::Renderer;
use rustygpt_model::tokenizer::Tokenizer;
use std::sync::{Arc, Mutex, mpsc};

/// A model whose first pass waits, that counts its passes, and may have fewer blocks than it has.
struct Watched<F> {
    model: F,
    start: Option<mpsc::Receiver<()>>,
    blocks: usize,
    /// How many sequences took part in each pass.
    passes: Arc<Mutex<Vec<usize>>>,
}

impl<F: Forward> Forward for Watched<F> {
    fn geometry(&self) -> Geometry {
        let geometry = self.model.geometry();
        Geometry {
            block_count: geometry.block_count.min(self.blocks),
            ..geometry
        }
    }

    fn forward(&mut self, plan: &StepPlan) -> Result<Logits, ForwardError> {
        if let Some(start) = self.start.take() {
            start.recv().unwrap();
        }
        self.passes.lock().unwrap().push(plan.sequences.len());
        self.model.forward(plan)
    }
}

/// Greedy tokens of several prompts that are there from the second pass on.
async fn greedy_together(
    golden: &Golden,
    prompts: &[&[u32]],
    options: EngineOptions,
    blocks: usize,
) -> (Vec<Vec<u32>>, Vec<usize>, EngineStatus) {
    let (go, start) = mpsc::channel();
    let passes = Arc::new(Mutex::new(Vec::new()));
    let forward = Watched {
        model: open(&golden.files[0], CacheType::F32),
        start: Some(start),
        blocks,
        passes: Arc::clone(&passes),
    };
    let model = engine(golden.vocabulary, forward, options);
    let mut generations = Vec::new();
    for prompt in prompts {
        generations.push(model.admit(request(prompt)).await.unwrap());
    }
    go.send(()).unwrap();
    let mut answers = Vec::new();
    for generation in generations {
        answers.push(tokens_of(generation).await);
    }
    model.shutdown().await;
    let passes = passes.lock().unwrap().clone();
    (answers, passes, model.status())
}

/// An engine on a model of so many tokens.
pub(crate) fn engine(
    vocabulary: usize,
    forward: impl Forward + 'static,
    options: EngineOptions,
) -> LoadedModel {
    LoadedModel::start(ModelParts {
        description: ModelDescription {
            id: "tiny".to_owned(),
            path: fixtures(),
            kind: ModelKind::Language,
            architecture: String::new(),
            quantization: String::new(),
            parameters: 0,
            weight_bytes: 0,
            trained_context_length: 1024,
            context_length: 1024,
            vocabulary,
            has_chat_template: false,
            defaults: GenerationDefaults::default(),
        },
        forward: Box::new(forward),
        tokenizer: Arc::new(Tokenizer::bytes()),
        template: None,
        renderer: Renderer::InProcess,
        options,
    })
    .unwrap()
}

/// The tokens of an answer.
async fn tokens_of(generation: Generation) -> Vec<u32> {
    let events: Vec<_> = generation.collect().await;
    assert!(
        matches!(events.last(), Some(GenerationEvent::Finish { .. })),
        "{events:?}"
    );
    let ids = events.into_iter().flat_map(|event| match event {
        GenerationEvent::Text { logprobs, .. } => logprobs,
        _ => Vec::new(),
    });
    ids.map(|logprob| logprob.id).collect()
}

fn request(prompt: &[u32]) -> GenerateRequest {
    GenerateRequest {
        input: Input::Tokens(prompt.to_vec()),
        grammar: None,
        sampling: Sampling {
            temperature: Some(0.0),
            ..Sampling::default()
        },
        limits: Limits {
            max_tokens: Some(200),
            ignore_eos: true,
            ..Limits::default()
        },
        choices: 1,
        // Which tokens were chosen: the byte tokenizer has no text for some of them.
        logprobs: Some(0),
        prediction: None,
        priority: Default::default(),
        deadline: None,
        cache_salt: Default::default(),
    }
}

/// A token without text is reported with the next text, so the last few may be missing.
fn assert_begins_like(found: &[u32], reference: &[u32]) {
    assert!(found.len() > 190, "only {} tokens", found.len());
    assert_eq!(found, &reference[..found.len()]);
}

#[tokio::test]
async fn four_sequences_of_different_lengths_share_passes_and_each_is_right() {
    for name in [
        "llama",
        "mistral-sliding",
        "qwen2",
        "qwen3",
        "gemma3",
        "phi3",
        "lfm2",
    ] {
        let golden = golden(fixtures().join(name));
        let prompt = &golden.prompt[..];
        let prompts = [prompt, &prompt[..37], &prompt[..5], prompt];
        let options = EngineOptions {
            slots: 4,
            max_step_tokens: 24,
            // Which passes there are must not depend on times or on luck.
            prompt_tokens_beside_answers: Some(64),
            is_speculating: false,
            ..EngineOptions::default()
        };
        let (answers, passes, status) =
            greedy_together(&golden, &prompts, options, usize::MAX).await;
        assert_begins_like(&answers[0], &golden.greedy);
        assert_begins_like(&answers[3], &golden.greedy);
        // 800 tokens and 170 of prompts, and each pass but a few has all four.
        assert!(passes.len() < 215, "{name}: {} passes", passes.len());
        assert!(
            passes.iter().filter(|&&sequences| sequences == 4).count() > 185,
            "{name}"
        );
        assert_eq!(status.steps, passes.len() as u64);
        assert_eq!(status.preemptions_total, 0);
    }
}

#[tokio::test]
async fn a_sequence_computed_again_after_pre_emption_is_right() {
    for name in ["llama", "lfm2"] {
        let golden = golden(fixtures().join(name));
        let prompt = &golden.prompt[..];
        let prompts = [prompt; 4];
        let options = EngineOptions {
            slots: 4,
            max_step_tokens: 64,
            ..EngineOptions::default()
        };
        // Room for two sequences and a half.
        let (answers, _, status) = greedy_together(&golden, &prompts, options, 40).await;
        for answer in answers {
            assert_begins_like(&answer, &golden.greedy);
        }
        assert!(status.preemptions_total > 0, "{name}");
        assert_eq!(status.kv_blocks_used, 0, "{name}");
    }
}
