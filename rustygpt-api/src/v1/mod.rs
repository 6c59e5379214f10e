//! The OpenAI dialect.

pub(crate) mod chat_completions;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod moderations;
pub(crate) mod tokens;
