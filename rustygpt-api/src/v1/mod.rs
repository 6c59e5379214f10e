//! The OpenAI dialect.

pub(crate) mod chat_completions;
pub(crate) mod models;
