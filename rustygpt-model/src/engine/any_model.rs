//! [`AnyModel`]: a loaded model, whatever it is for.

use super::{EmbeddingModel, EngineStatus, LoadedModel};
use crate::contract::ModelDescription;

/// A loaded model, whatever it is for.
#[derive(Clone, Debug)]
pub enum AnyModel {
    /// It goes on with a text.
    Language(LoadedModel),
    /// It turns a text into a vector.
    Embedding(EmbeddingModel),
}

impl AnyModel {
    /// What is known of the model.
    #[must_use]
    pub fn description(&self) -> &ModelDescription {
        match self {
            Self::Language(model) => model.description(),
            Self::Embedding(model) => model.description(),
        }
    }

    /// How busy its engine is now.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        match self {
            Self::Language(model) => model.status(),
            Self::Embedding(model) => model.status(),
        }
    }

    /// Ends its engine and waits until the model is freed.
    pub async fn shutdown(&self) {
        match self {
            Self::Language(model) => model.shutdown().await,
            Self::Embedding(model) => model.shutdown().await,
        }
    }
}

impl From<LoadedModel> for AnyModel {
    fn from(model: LoadedModel) -> Self {
        Self::Language(model)
    }
}

impl From<EmbeddingModel> for AnyModel {
    fn from(model: EmbeddingModel) -> Self {
        Self::Embedding(model)
    }
}
