//! Why a tokenizer could not be built.

use std::path::PathBuf;

/// Why a tokenizer could not be built. Encoding and decoding never fail.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The model names a tokenizer, or a part of one, that this build does not know.
    #[error("unknown {part} \"{name}\"; this build knows {known}")]
    Unknown {
        /// Which part: the model, the pre-tokenizer, …
        part: &'static str,
        /// The name in the file.
        name: String,
        /// The names that would do.
        known: String,
    },
    /// The tokenizer's data contradict themselves.
    #[error("invalid tokenizer: {0}")]
    Invalid(String),
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}
