//! The one thread that owns a model, and the handle that talks to it.
//!
//! - [`handle`](LoadedModel): admission on the caller's task: rendering, tokenising, bounds, a
//!   place in the queue;
//! - [`generation`](Generation): the stream of events that answers a request.
//!
//! Invariant: no lock is held across a forward pass.

mod generation;
mod handle;
mod monotonic;
mod options;
pub mod scheduler;
mod status;

pub use generation::Generation;
pub use handle::{LoadedModel, ModelParts};
pub use monotonic::{Monotonic, SystemMonotonic};
pub use options::EngineOptions;
pub use status::EngineStatus;
