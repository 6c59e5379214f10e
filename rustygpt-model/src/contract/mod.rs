//! The nouns of the model: what is asked ([`GenerateRequest`], [`EmbeddingRequest`]), what answers
//! ([`GenerationEvent`], [`Embeddings`]), what one step of the engine computes ([`StepPlan`]) and what can go wrong ([`ModelError`]).
//!
//! Everything here is plain data, so that the engine can live in another process.

mod description;
mod embedding;
mod error;
mod event;
mod forward;
mod generate;

pub use description::{GenerationDefaults, ModelDescription, ModelKind};
pub use embedding::{Embed, EmbeddingInput, EmbeddingRequest, EmbeddingShape, Embeddings, Pooling};
pub use error::{ForwardError, ModelError};
pub use event::{FinishReason, GenerationEvent, TokenLogprob, TopLogprob, Usage};
pub use forward::{
    BlockId, BlockLayout, Forward, Geometry, LogitRows, Logits, Phase, SequenceId, SequenceStep,
    StepPlan,
};
pub use generate::{
    CacheSalt, ContentPart, GenerateRequest, Grammar, Input, Limits, Message, Priority, Role,
    Sampling, TemplateOptions, Tool, ToolCall, ToolChoice,
};
