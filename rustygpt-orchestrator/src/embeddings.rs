//! Turning texts into vectors.

use crate::UseCaseError;
use crate::access::{Action, Caller};
use crate::models::Models;
use rustygpt_model::contract::{EmbeddingRequest, Embeddings};
use rustygpt_model::engine::AnyModel;

/// Vectors, and who made them.
pub struct Embedded {
    /// The id of the model; an alias is resolved.
    pub model: String,
    /// The vectors.
    pub embeddings: Embeddings,
}

/// Embeds texts. Dropping the future takes them out of the queue.
///
/// # Errors
/// [`UseCaseError::ModelNotFound`], [`UseCaseError::WrongKind`] for a model that does not embed,
/// or [`UseCaseError::Model`] with what
/// [`EmbeddingModel::embed`](rustygpt_model::engine::EmbeddingModel::embed) refused.
pub async fn embed(
    models: &Models,
    caller: &Caller,
    model: &str,
    request: EmbeddingRequest,
) -> Result<Embedded, UseCaseError> {
    let entry = models.get(caller, Action::Generate, model)?;
    let AnyModel::Embedding(embedder) = &entry.model else {
        return Err(models.wrong_kind(caller, entry, "embed texts"));
    };
    let embeddings = embedder.embed(request).await?;
    Ok(Embedded {
        model: embedder.description().id.clone(),
        embeddings,
    })
}
