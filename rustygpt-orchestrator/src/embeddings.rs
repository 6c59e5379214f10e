//! Turning texts into vectors.

use crate::UseCaseError;
use crate::access::Caller;
use crate::models::{Capability, Models};
use rustygpt_model::contract::{EmbeddingRequest, Embeddings, ModelError};
use rustygpt_model::engine::AnyModel;

/// Vectors, and who made them.
pub struct Embedded {
    /// The id of the model; an alias is resolved.
    pub model: String,
    /// The vectors.
    pub embeddings: Embeddings,
}

/// Embeds texts, once the model is in memory: it is loaded first if need be. Dropping the future
/// takes the texts out of the queue.
///
/// # Errors
/// As [`Models::lease`], or [`UseCaseError::Model`] with what
/// [`EmbeddingModel::embed`](rustygpt_model::engine::EmbeddingModel::embed) refused.
pub async fn embed(
    models: &Models,
    caller: &Caller,
    model: &str,
    request: EmbeddingRequest,
) -> Result<Embedded, UseCaseError> {
    let lease = models.lease(caller, model, Capability::Embedding).await?;
    let AnyModel::Embedding(embedder) = lease.model() else {
        // Nothing else is leased.
        return Err(ModelError::Internal("the model cannot embed".into()).into());
    };
    let embeddings = embedder.embed(request).await?;
    Ok(Embedded {
        model: embedder.description().id.clone(),
        embeddings,
    })
}
