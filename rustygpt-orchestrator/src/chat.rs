//! Answering a conversation.

use crate::UseCaseError;
use crate::access::{Action, Caller};
use crate::models::Models;
use rustygpt_model::contract::GenerateRequest;
use rustygpt_model::engine::{AnyModel, Generation};

/// An answer that has begun.
pub struct Answer {
    /// The id of the model that answers; an alias is resolved.
    pub model: String,
    /// Names the model file and this build.
    pub fingerprint: String,
    /// What the model says. Dropping it frees its place in the engine.
    pub generation: Generation,
}

/// Admits a request: it is authorised, rendered, tokenised and has its place in the queue when
/// this returns. The request's cache salt is replaced by the caller's.
///
/// # Errors
/// [`UseCaseError::ModelNotFound`], [`UseCaseError::WrongKind`] for a model that embeds, or [`UseCaseError::Model`] with what
/// [`LoadedModel::admit`](rustygpt_model::engine::LoadedModel::admit) refused.
pub async fn complete(
    models: &Models,
    caller: &Caller,
    model: &str,
    mut request: GenerateRequest,
) -> Result<Answer, UseCaseError> {
    let entry = models.get(caller, Action::Generate, model)?;
    let AnyModel::Language(language) = &entry.model else {
        return Err(models.wrong_kind(caller, entry, "chat"));
    };
    request.cache_salt = caller.cache_salt().clone();
    let generation = language.admit(request).await?;
    Ok(Answer {
        model: language.description().id.clone(),
        fingerprint: entry.fingerprint.clone(),
        generation,
    })
}
