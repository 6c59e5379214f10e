//! What computes: model files, tokenizers, chat templates and the engine.
//!
//! The rooms, in the order in which a request passes them:
//!
//! - [`contract`]: the nouns everyone speaks (request, events, step plan, errors);
//! - [`weights`]: model files on disk, proved before anything trusts them;
//! - [`tokenizer`]: text to token ids and back;
//! - [`prompt`]: chat templates, rendered and tokenised;
//! - [`engine`]: the one thread that owns a model, and the handle that talks to it;
//! - [`grammar`]: which tokens may come next, for answers in a given shape;
//! - [`kv`], [`sampling`], [`decode`]: the pure parts of a step;
//! - [`registry`]: which models lie on disk, and whether they fit;
//! - [`scripted`]: a model without weights that follows a script, for tests;
//! - `candle` (feature): the tensor engine.
//!
//! This crate never speaks HTTP, never reads a configuration file and never logs prompt text.

#[cfg(feature = "candle")]
pub mod candle;
pub mod contract;
pub mod decode;
pub mod engine;
pub mod grammar;
pub mod kv;
pub mod prompt;
pub mod registry;
pub mod sampling;
pub mod scripted;
pub mod tokenizer;
pub mod weights;
