//! [`ChatTemplate`]: a model's chat template.

use super::RenderRequest;
use crate::contract::ModelError;
use crate::weights::Metadata;
use std::path::Path;
use std::sync::Arc;

/// A model's chat template. Clones share it.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    _source: Arc<str>,
}

impl ChatTemplate {
    /// A template from its text and the values of `bos_token` and `eos_token`. The text is not
    /// compiled here: that happens where it is rendered, under that place's bounds.
    ///
    /// # Errors
    /// [`ModelError::Template`] when the text is unreasonably long.
    pub fn from_source(
        source: impl Into<String>,
        _bos: Option<String>,
        _eos: Option<String>,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            _source: source.into().into(),
        })
    }

    /// The template of a GGUF file, if it has one.
    ///
    /// # Errors
    /// As [`Self::from_source`].
    pub fn from_gguf(_metadata: &Metadata) -> Result<Option<Self>, ModelError> {
        Ok(None)
    }

    /// The template of a Hugging Face folder, if it has one.
    ///
    /// # Errors
    /// [`ModelError::Unreadable`], [`ModelError::InvalidFile`], or as [`Self::from_source`].
    pub fn from_directory(_directory: &Path) -> Result<Option<Self>, ModelError> {
        Ok(None)
    }

    /// The ChatML template.
    #[must_use]
    pub fn chatml() -> Self {
        Self { _source: "".into() }
    }

    /// Renders in this process.
    ///
    /// # Errors
    /// [`ModelError::Template`] with the template's own message.
    pub fn render(&self, _request: &RenderRequest) -> Result<String, ModelError> {
        Ok(String::new())
    }
}
