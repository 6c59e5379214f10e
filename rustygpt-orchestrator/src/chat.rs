//! Answering a conversation, or going on with a text.

use crate::UseCaseError;
use crate::access::Caller;
use crate::models::{Capability, Lease, Models};
use futures::Stream;
use rustygpt_model::contract::{GenerateRequest, GenerationEvent, ModelError};
use rustygpt_model::engine::{AnyModel, Generation};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// An answer that has begun.
pub struct Answer {
    /// The id of the model that answers; an alias is resolved.
    pub model: String,
    /// Names the model file and this build.
    pub fingerprint: String,
    /// What the model says.
    pub speech: Speech,
}

/// What a model says. While this lives, the model stays in memory; dropping it frees its place in
/// the engine.
#[derive(Debug)]
pub struct Speech {
    // Dropped first: the engine must know before the model may go.
    generation: Generation,
    _lease: Arc<Lease>,
}

impl Speech {
    /// Tokens of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> u32 {
        self.generation.prompt_tokens()
    }

    /// Parameters that were clamped or not honoured; each note begins with the parameter's name.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.generation.notes()
    }
}

impl Stream for Speech {
    type Item = GenerationEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.generation).poll_next(context)
    }
}

/// The model of this name, in memory: it is loaded first if need be, which may take minutes.
/// Dropping the future stops waiting for it.
///
/// # Errors
/// As [`Models::lease`].
pub async fn model(models: &Models, caller: &Caller, name: &str) -> Result<Lease, UseCaseError> {
    models.lease(caller, name, Capability::Language).await
}

/// Admits a request to a model that [`model`] gave to this caller: it is rendered, tokenised and
/// has its place in the queue when this returns. The request's cache salt is replaced by the
/// caller's. Several requests may share one lease.
///
/// # Errors
/// [`UseCaseError::Model`] with what
/// [`LoadedModel::admit`](rustygpt_model::engine::LoadedModel::admit) refused.
pub async fn complete(
    lease: impl Into<Arc<Lease>>,
    caller: &Caller,
    mut request: GenerateRequest,
) -> Result<Answer, UseCaseError> {
    let lease = lease.into();
    let AnyModel::Language(language) = lease.model() else {
        // `model` leases nothing else.
        return Err(ModelError::Internal("the model cannot chat".into()).into());
    };
    request.cache_salt = caller.cache_salt().clone();
    let generation = language.admit(request).await?;
    Ok(Answer {
        model: language.description().id.clone(),
        fingerprint: lease.fingerprint().to_owned(),
        speech: Speech {
            generation,
            _lease: lease,
        },
    })
}
