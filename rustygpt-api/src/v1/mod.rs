//! The OpenAI dialect.

pub(crate) mod chat_completions;
pub(crate) mod embeddings;
pub(crate) mod models;
