//! [`EngineStatus`]: how busy an engine is.

use serde::{Deserialize, Serialize};

/// How busy an engine is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Choices that run.
    pub running: usize,
    /// Choices that wait.
    pub waiting: usize,
    /// Choices that can run at once.
    pub slots: usize,
    /// Blocks of the key/value cache in use.
    pub kv_blocks_used: usize,
    /// Blocks that nobody uses, but whose text a later prompt may find.
    pub kv_blocks_kept: usize,
    /// Blocks of the key/value cache.
    pub kv_blocks_total: usize,
    /// Forward passes so far.
    pub steps: u64,
    /// Prompt tokens of all requests that began.
    pub prompt_tokens_total: u64,
    /// Tokens written so far.
    pub completion_tokens_total: u64,
    /// Prompt tokens that were found in the cache and not computed.
    pub cached_prompt_tokens_total: u64,
    /// Guesses of what answers would say that were verified.
    pub guesses_total: u64,
    /// Of those, the ones that came true: tokens without a step of their own.
    pub guesses_come_true_total: u64,
    /// Choices that lost their blocks to another and were computed again.
    pub preemptions_total: u64,
    /// Tokens written per second, lately, while anything ran.
    pub tokens_per_second: f64,
    /// Why the engine stopped, if it did.
    pub stopped: Option<String>,
}
