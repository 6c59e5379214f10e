//! A model without weights that follows a script, under the real engine: for tests of everything
//! above a model, and for measuring what the engine itself costs.
//!
//! Its tokens are bytes, its template is ChatML. Its "cache" holds the tokens themselves, read back
//! through the block tables: a scheduler that lost or shared a block would garble the answers.

mod embedding;
mod forward;
mod gate;

use crate::contract::{
    GenerationDefaults, Geometry, ModelDescription, ModelError, ModelKind, StepPlan,
};
use crate::engine::{EngineOptions, LoadedModel, ModelParts};
use crate::prompt::{ChatTemplate, Renderer};
use crate::tokenizer::Tokenizer;
pub use embedding::scripted_embedder;
use forward::ScriptedForward;
pub use gate::Gate;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What the scripted model answers, and how it behaves.
#[derive(Clone)]
pub struct Script {
    rules: Vec<(String, String)>,
    otherwise: Arc<dyn Fn(&str) -> String + Send + Sync>,
    geometry: Geometry,
    margin: f32,
    checks_cache: bool,
    failures: Vec<(u64, Failure)>,
    gate: Option<gate::Passage>,
    recorder: Option<Recorder>,
    defaults: GenerationDefaults,
    options: EngineOptions,
}

/// How a scripted step goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The device fails; the next step works.
    Device,
    /// The model file is gone.
    WeightsLost,
    /// Every logit is no number.
    NotANumber,
    /// The model panics.
    Panic,
}

/// Keeps the plans of all steps. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    plans: Arc<Mutex<Vec<StepPlan>>>,
}

impl Recorder {
    /// The plans so far, oldest first: one per forward pass.
    #[must_use]
    pub fn plans(&self) -> Vec<StepPlan> {
        self.plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, plan: &StepPlan) {
        self.plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(plan.clone());
    }
}

impl Script {
    /// Answers everything with `text`.
    #[must_use]
    pub fn answering(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::replying(move |_| text.clone())
    }

    /// Answers with what `reply` makes of the last user message (of the whole prompt, if it is no
    /// conversation).
    #[must_use]
    pub fn replying(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self {
            rules: Vec::new(),
            otherwise: Arc::new(reply),
            geometry: Geometry {
                vocabulary: Tokenizer::bytes().vocabulary_size(),
                context_length: 8192,
                block_size: 16,
                block_count: 4096,
                long_text: None,
                shares_blocks: true,
                is_exact: true,
            },
            margin: 50.0,
            checks_cache: true,
            failures: Vec::new(),
            gate: None,
            recorder: None,
            defaults: GenerationDefaults::default(),
            options: EngineOptions::default(),
        }
    }

    /// Answers with `answer` where the last user message contains `question`; the first rule that
    /// fits wins.
    #[must_use]
    pub fn when(mut self, question: impl Into<String>, answer: impl Into<String>) -> Self {
        self.rules.push((question.into(), answer.into()));
        self
    }

    /// The engine's options.
    #[must_use]
    pub fn with_options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// What the model's files would say about sampling and stopping.
    #[must_use]
    pub fn with_defaults(mut self, defaults: GenerationDefaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// Positions a sequence may have.
    #[must_use]
    pub fn with_context_length(mut self, positions: usize) -> Self {
        self.geometry.context_length = positions;
        self
    }

    /// The cache: `count` blocks of `size` positions.
    #[must_use]
    pub fn with_blocks(mut self, count: usize, size: usize) -> Self {
        self.geometry.block_count = count;
        self.geometry.block_size = size.max(1);
        self
    }

    /// The length of a row of logits; never less than the byte tokenizer's vocabulary.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: usize) -> Self {
        self.geometry.vocabulary = vocabulary.max(Tokenizer::bytes().vocabulary_size());
        self
    }

    /// By how much the scripted token's logit exceeds all others, which are equal. 50 unless told:
    /// sampling then always follows the script. 0 makes the answer pure chance.
    #[must_use]
    pub fn with_margin(mut self, margin: f32) -> Self {
        self.margin = margin;
        self
    }

    /// Leaves out the proof, linear in the sequence, that the cache still holds what was written.
    #[must_use]
    pub fn without_cache_check(mut self) -> Self {
        self.checks_cache = false;
        self
    }

    /// Makes one step go wrong; the first is number 1.
    #[must_use]
    pub fn failing_at(mut self, step: u64, failure: Failure) -> Self {
        self.failures.push((step, failure));
        self
    }

    /// Makes every step wait at a gate.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.passage());
        self
    }

    /// Keeps the plans of all steps.
    #[must_use]
    pub fn recorded_by(mut self, recorder: &Recorder) -> Self {
        self.recorder = Some(recorder.clone());
        self
    }

    fn answer(&self, question: &str) -> String {
        match self
            .rules
            .iter()
            .find(|(part, _)| question.contains(part.as_str()))
        {
            Some((_, answer)) => answer.clone(),
            None => (self.otherwise)(question),
        }
    }
}

/// Starts the engine on a scripted model.
///
/// # Errors
/// [`ModelError::Internal`] when the operating system gives no thread.
pub fn scripted_model(id: &str, script: Script) -> Result<LoadedModel, ModelError> {
    LoadedModel::start(scripted_parts(id, script))
}

/// The parts of a scripted model, for a caller that changes some of them.
#[must_use]
pub fn scripted_parts(id: &str, script: Script) -> ModelParts {
    let options = script.options.clone();
    let description = ModelDescription {
        id: id.to_owned(),
        path: PathBuf::from("scripted"),
        kind: ModelKind::Language,
        architecture: "scripted".to_owned(),
        quantization: "none".to_owned(),
        parameters: 0,
        weight_bytes: 0,
        trained_context_length: script.geometry.context_length,
        context_length: script.geometry.context_length,
        vocabulary: script.geometry.vocabulary,
        has_chat_template: true,
        defaults: script.defaults.clone(),
    };
    let tokenizer = Arc::new(Tokenizer::bytes());
    ModelParts {
        description,
        forward: Box::new(ScriptedForward::new(script, Arc::clone(&tokenizer))),
        tokenizer,
        template: Some(ChatTemplate::chatml()),
        renderer: Renderer::InProcess,
        options,
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Script")
            .field("rules", &self.rules)
            .field("geometry", &self.geometry)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
