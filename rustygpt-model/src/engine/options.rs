//! [`EngineOptions`]: how much the engine does at once.

use super::{Monotonic, PromptCache, SystemMonotonic};
use crate::contract::Geometry;
use std::fmt;
use std::sync::Arc;

/// How much the engine does at once.
#[derive(Clone)]
pub struct EngineOptions {
    /// Choices that run at once; at least 1.
    pub slots: usize,
    /// Choices that may wait beside the running ones; one more is refused.
    pub queue_limit: usize,
    /// Tokens one forward pass reads at most; at least `slots`. What running answers leave of it
    /// goes to prompts, so that a long prompt never stalls an answer.
    pub max_step_tokens: usize,
    /// Of those, how many may be prompt tokens while answers are being written: more reads prompts
    /// faster, fewer keeps the answers flowing.
    /// `None` goes by measured times: as many as keep the step within twice its time without them.
    pub prompt_tokens_beside_answers: Option<usize>,
    /// Whether to guess what answers will say and verify several tokens in one pass, where that
    /// pays. It never changes an answer.
    pub is_speculating: bool,
    /// Whether an answer is to be the same, bit by bit, whatever else was or is computed. Where
    /// the model is [`Geometry::is_exact`], it always is; elsewhere choices are then computed one
    /// at a time, each from its beginning and without guesses.
    pub is_deterministic: bool,
    /// Where what was read is kept for the engine after this one; `None` keeps nothing.
    pub prompt_cache: Option<PromptCache>,
    /// The answer's length where a request names none; `None` is the rest of the context.
    pub default_max_tokens: Option<u32>,
    /// Measures deadlines and speed.
    pub clock: Arc<dyn Monotonic>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            slots: 8,
            queue_limit: 64,
            max_step_tokens: 512,
            prompt_tokens_beside_answers: None,
            is_speculating: true,
            is_deterministic: false,
            prompt_cache: None,
            default_max_tokens: None,
            clock: Arc::new(SystemMonotonic::default()),
        }
    }
}

impl EngineOptions {
    /// Whether each choice is to be computed as if there were no other.
    pub(super) fn computes_alone(&self, geometry: &Geometry) -> bool {
        self.is_deterministic && !geometry.is_exact
    }

    /// The options as they serve a model: at least one slot, and no more where each choice is
    /// computed alone.
    pub(super) fn on(self, geometry: &Geometry) -> Self {
        match self.computes_alone(geometry) {
            true => Self {
                slots: 1,
                is_speculating: false,
                ..self
            },
            false => Self {
                slots: self.slots.max(1),
                ..self
            },
        }
    }
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EngineOptions")
            .field("slots", &self.slots)
            .field("queue_limit", &self.queue_limit)
            .field("max_step_tokens", &self.max_step_tokens)
            .field(
                "prompt_tokens_beside_answers",
                &self.prompt_tokens_beside_answers,
            )
            .field("is_speculating", &self.is_speculating)
            .field("is_deterministic", &self.is_deterministic)
            .field("prompt_cache", &self.prompt_cache)
            .field("default_max_tokens", &self.default_max_tokens)
            .finish_non_exhaustive()
    }
}
