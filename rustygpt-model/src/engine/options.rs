//! [`EngineOptions`]: how much the engine does at once.

use super::{Monotonic, SystemMonotonic};
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
    pub prompt_tokens_beside_answers: usize,
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
            prompt_tokens_beside_answers: 64,
            default_max_tokens: None,
            clock: Arc::new(SystemMonotonic::default()),
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
            .field("default_max_tokens", &self.default_max_tokens)
            .finish_non_exhaustive()
    }
}
