//! The nouns both sides of the wire speak: the types of the dialects (OpenAI's, Anthropic's,
//! Ollama's), server-sent events, error codes and route names.
//!
//! This crate does no IO and builds for the browser.

pub mod accounts;
pub mod anthropic;
pub mod error_code;
pub mod ollama;
pub mod openai;
pub mod routes;
pub mod sse;
