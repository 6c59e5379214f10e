//! What the handle sends to the engine thread.

use super::counters::Place;
use super::shape::Shape;
use super::speculation::Sources;
use crate::contract::{CacheSalt, GenerationEvent, Priority};
use crate::sampling::Settings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// A message to the engine thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Answer this.
    Submit(Box<Submission>),
    /// End now.
    Shutdown,
}

/// An admitted request: rendered, tokenised, every bound checked.
#[derive(Debug)]
pub(super) struct Submission {
    /// Not empty, shorter than the context, every id in the vocabulary.
    pub(super) prompt: Vec<u32>,
    /// The random streams' starts, one per choice.
    pub(super) seeds: Vec<u64>,
    pub(super) priority: Priority,
    pub(super) cache_salt: CacheSalt,
    /// Where guesses come from, if they are wanted.
    pub(super) sources: Option<Sources>,
    pub(super) settings: Arc<Settings>,
    /// Tokens that end an answer.
    pub(super) ending: Arc<[u32]>,
    pub(super) min_tokens: u32,
    /// At most what the prompt leaves of the context.
    pub(super) max_tokens: u32,
    pub(super) stop: Vec<String>,
    pub(super) logprobs: Option<u8>,
    /// What shape the answers must have.
    pub(super) shape: Shape,
    /// On the engine's clock.
    pub(super) deadline: Option<Duration>,
    pub(super) events: UnboundedSender<GenerationEvent>,
    pub(super) place: Place,
}
