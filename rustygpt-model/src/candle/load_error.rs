//! [`LoadError`]: why a model could not be loaded.

use super::families;
use crate::contract::ModelError;
use std::path::Path;

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unsupported(String),
    #[error(transparent)]
    Device(#[from] candle_core::Error),
    #[error(transparent)]
    Files(#[from] ModelError),
}

impl LoadError {
    /// A part of a model that only our own kernels compute.
    pub(crate) fn not_on_accelerators(what: &str) -> Self {
        Self::Unsupported(format!("{what} on an accelerator (use `--device cpu`)"))
    }

    pub(crate) fn at(self, path: &Path) -> ModelError {
        let path = path.to_path_buf();
        match self {
            Self::Invalid(reason) => ModelError::InvalidFile { path, reason },
            Self::Unsupported(what) => ModelError::UnsupportedModel {
                path,
                reason: format!(
                    "{what} is not supported; supported architectures: {}",
                    families::supported_names()
                ),
            },
            Self::Device(error) => ModelError::InvalidFile {
                path,
                reason: error.to_string(),
            },
            Self::Files(error) => error,
        }
    }
}
