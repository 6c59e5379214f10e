//! HTTP only: routes, middleware, server-sent events and the mapping of errors to status codes.
//!
//! - [`mod@router`]: one page that lists every route;
//! - [`listener`]: the accept loop, which bounds what a connection may cost;
//! - [`state`]: what the composition root fills.
//!
//! Invariant: only `error.rs` says a status code. Past `v1/*/validate.rs` nothing is JSON.

mod answer;
mod anthropic;
mod api;
mod caller;
mod cookies;
mod docs;
mod error;
mod health;
mod json_body;
pub mod listener;
mod measurements;
mod metrics;
mod middleware;
mod ollama;
pub mod openapi;
mod other_keys;
pub mod router;
mod sse;
pub mod state;
mod status;
mod v1;

pub use listener::{ServeOptions, serve};
pub use router::router;
pub use state::{ApiParts, ApiState, HostPolicy, Networks, Origin, RequestLimits};
