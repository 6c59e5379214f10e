//! The nouns both sides of the wire speak: the OpenAI dialect's types, server-sent events, error
//! codes and route names.
//!
//! This crate does no IO and builds for the browser.

pub mod accounts;
pub mod error_code;
pub mod openai;
pub mod routes;
pub mod sse;
