//! The HTTP server as a client sees it: real sockets, the real middleware, the real engine; only
//! the model follows a script.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod accounts;
mod anthropic;
mod canary;
mod chat;
mod completions;
mod connections;
mod docs;
mod embeddings;
mod errors;
mod guard;
mod home;
mod hostile;
mod hostile_dialects;
mod loading;
mod log;
mod matrix;
mod oauth;
mod oauth_issuer;
mod oauth_refusals;
mod oauth_trip;
mod ollama;
mod overload;
mod quota;
mod raw;
mod restart;
mod revocation;
mod routes;
mod server;
mod settings;
mod stream;
mod tls;
mod tools;
mod work;
