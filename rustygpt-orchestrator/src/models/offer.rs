//! [`Offer`]: a model that can be asked for, loaded or not.

use rustygpt_model::contract::ModelError;
use rustygpt_model::engine::AnyModel;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Loads one model. The composition root has one for every model on disk.
pub trait Source: Send + Sync {
    /// Loads the model and starts its engine. May block for minutes.
    ///
    /// `room` is how many bytes the model may take with its cache; `None` is as many as the
    /// machine has.
    ///
    /// # Errors
    /// [`ModelError`]; [`ModelError::OutOfMemory`] where the machine has less than was promised.
    fn load(&self, room: Option<u64>) -> Result<Loaded, ModelError>;
}

/// A model that was just loaded.
pub struct Loaded {
    /// The model.
    pub model: AnyModel,
    /// Bytes of memory that it takes: weights, cache and working space.
    pub bytes: u64,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// It goes on with a text, a conversation among them.
    Language,
    /// It turns a text into a vector.
    Embedding,
}

impl Capability {
    /// The name people know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Embedding => "embedding",
        }
    }

    /// What a loaded model is for.
    #[must_use]
    pub fn of(model: &AnyModel) -> Self {
        match model {
            AnyModel::Language(_) => Self::Language,
            AnyModel::Embedding(_) => Self::Embedding,
        }
    }
}

/// What is known of a model without loading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The id clients use.
    pub id: String,
    /// What it is for.
    pub capability: Capability,
    /// The architecture's name in the file, for example `llama`.
    pub architecture: String,
    /// The weights' prevailing type, for example `Q4_K` or `BF16`.
    pub quantization: String,
    /// Number of weights.
    pub parameters: u64,
    /// Positions that a request is likely to have; only a loaded model tells it for certain.
    pub context_length: Option<usize>,
    /// Since when it can be asked for, in seconds since 1970.
    pub created: u64,
}

impl About {
    /// What is known of a model that is loaded.
    #[must_use]
    pub fn of(model: &AnyModel, created: u64) -> Self {
        let description = model.description();
        Self {
            id: description.id.clone(),
            capability: Capability::of(model),
            architecture: description.architecture.clone(),
            quantization: description.quantization.clone(),
            parameters: description.parameters,
            context_length: Some(description.context_length),
            created,
        }
    }

    /// Names what is known of the model, in hexadecimal digits: whoever compares two of them sees
    /// whether it became another one. Not a digest of its file.
    #[must_use]
    pub fn digest(&self) -> String {
        let Self {
            id,
            architecture,
            quantization,
            parameters,
            ..
        } = self;
        let known = format!("{id}\n{architecture}\n{quantization}\n{parameters}");
        let bytes = Sha256::digest(known.as_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A model that can be asked for and is loaded when it is.
pub struct Offer {
    /// What is known of it.
    pub about: About,
    /// Bytes without which it is not loaded.
    pub needed_bytes: u64,
    /// Whether it stays in memory once it is loaded.
    pub is_pinned: bool,
    /// Loads it.
    pub source: Arc<dyn Source>,
}

/// How much of the machine the models may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Memory of all loaded models together; `None` without bounds.
    pub memory: Option<u64>,
    /// How long a model stays in memory that nobody uses; `None` for ever.
    pub keep_alive: Option<Duration>,
}
