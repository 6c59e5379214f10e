//! The one thread that owns a model, and the handle that talks to it.
//!
//! - [`LoadedModel`]: admission on the caller's task: rendering, tokenising, bounds, a place in
//!   the queue;
//! - [`Generation`]: the stream of events that answers a request;
//! - [`scheduler`]: who takes part in the next forward pass; pure;
//! - `speculation`: guesses of what answers will say, verified several at once; pure;
//! - `worker`: the thread: admission, plan, forward pass, sampling, events;
//! - [`embedding`]: the same for models that turn texts into vectors;
//! - [`AnyModel`]: a handle of either.
//!
//! A request's events wait in an unbounded channel, because the engine must never wait for one
//! client; it holds at most a few events per token, and `max_tokens` bounds those.
//!
//! Invariant: no lock is held across a forward pass; the thread is the only owner of the model.

mod admission;
mod any_model;
mod counters;
pub mod embedding;
mod generation;
mod guide;
mod handle;
mod monotonic;
mod options;
mod prompt_cache;
pub mod scheduler;
mod shape;
mod speculation;
mod status;
mod submission;
mod worker;

pub use any_model::AnyModel;
pub use embedding::{EmbeddingModel, EmbeddingOptions, EmbeddingParts};
pub use generation::Generation;
pub use handle::{LoadedModel, ModelParts};
pub use monotonic::{Monotonic, SystemMonotonic};
pub use options::EngineOptions;
pub use prompt_cache::PromptCache;
pub use status::EngineStatus;

#[cfg(test)]
mod tests;
