//! Paths of the server, named once for the router, the clients and the documents.

/// Answers a conversation.
pub const CHAT_COMPLETIONS: &str = "/v1/chat/completions";
/// Turns texts into vectors.
pub const EMBEDDINGS: &str = "/v1/embeddings";
/// Lists the models.
pub const MODELS: &str = "/v1/models";
/// Describes one model; its id, which may contain slashes, follows.
pub const MODELS_ITEM_PREFIX: &str = "/v1/models/";
/// Tells whether the process lives.
pub const HEALTH: &str = "/healthz";
/// Tells whether a model can answer.
pub const READY: &str = "/readyz";
/// Tells how busy the server is.
pub const STATUS: &str = "/status";
/// The same in Prometheus' text format.
pub const METRICS: &str = "/metrics";
/// Describes every route.
pub const OPENAPI: &str = "/openapi.json";

/// The routes that need no key.
pub const PUBLIC: [&str; 2] = [HEALTH, READY];

/// Whether a path serves inference or the discovery of models: the routes that an owner may open
/// to keyless clients on the same machine.
#[must_use]
pub fn is_inference(path: &str) -> bool {
    [CHAT_COMPLETIONS, EMBEDDINGS, MODELS].contains(&path) || path.starts_with(MODELS_ITEM_PREFIX)
}
