//! Model files on disk. A file is hostile until this module has proved its header, extents and
//! metadata budget with checked arithmetic; nothing else reads one.
//!
//! [`ModelFiles::open`] is the way in. [`gguf`] and [`safetensors`] prove the header of one file
//! given as bytes; they do no IO, so that tests and fuzzers can feed them.

#[cfg(test)]
mod allocation;
mod defaults;
mod element_type;
pub mod gguf;
mod gguf_files;
mod hugging_face;
mod mapping;
pub mod metadata;
mod model_files;
mod purpose;
pub mod safetensors;
mod sentence_modules;
mod tensor;

pub use defaults::generation_defaults;
pub use element_type::ElementType;
pub use metadata::{Metadata, MetadataArray, MetadataValue};
pub use model_files::{HuggingFaceDirectory, ModelFiles, Source};
pub use purpose::{Purpose, purpose};
pub use sentence_modules::SentenceModule;
pub use tensor::TensorInfo;

pub(crate) use gguf_files::{PartName, models_in};

/// Why a header proves nothing, in words for the person who named the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn in_file(self, path: &std::path::Path) -> crate::contract::ModelError {
        crate::contract::ModelError::InvalidFile {
            path: path.to_path_buf(),
            reason: self.0,
        }
    }
}
