//! What can go wrong, by what a caller can do about it.

use std::path::PathBuf;

/// What can go wrong in this crate. The [`std::fmt::Display`] text is written for the person who
/// sent the request or named the file; the source chain holds the inside cause.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file is not a model, or a broken or hostile one.
    #[error("{}: {reason}", path.display())]
    InvalidFile {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and, where there is one, the way out.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The model is of a kind this build cannot run.
    #[error("{}: {reason}", path.display())]
    UnsupportedModel {
        /// The file or folder.
        path: PathBuf,
        /// What is not supported and what is.
        reason: String,
    },
    /// The weights or the cache do not fit.
    #[error("{what} needs {needed_bytes} bytes, {available_bytes} are available")]
    OutOfMemory {
        /// What needs the memory.
        what: String,
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes available.
        available_bytes: u64,
    },
    /// The prompt is longer than the context.
    #[error(
        "This model's maximum context length is {context_length} tokens. However, your messages \
         resulted in {prompt_tokens} tokens. Please reduce the length of the messages."
    )]
    ContextLengthExceeded {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens a request may have.
        context_length: usize,
    },
    /// A text to embed is longer than the context.
    #[error(
        "This model's maximum context length is {context_length} tokens. However, input {index} \
         has {tokens} tokens. Please split it into shorter texts."
    )]
    InputTooLong {
        /// Which text of the request, counted from 0.
        index: usize,
        /// Tokens of the text.
        tokens: usize,
        /// Tokens a text may have.
        context_length: usize,
    },
    /// The request asks for something this model cannot do.
    #[error("{message}")]
    Unsupported {
        /// The request's field at fault, as the OpenAI API names it.
        param: &'static str,
        /// What is not possible and what to do instead.
        message: String,
    },
    /// The model's chat template failed or refused the messages.
    #[error("the model's chat template failed: {message}")]
    Template {
        /// The template's own message, or which bound it broke.
        message: String,
    },
    /// The queue is full; come back later.
    #[error("the server is busy: {waiting} requests are waiting; retry in {retry_after_seconds} s")]
    QueueFull {
        /// Requests waiting now.
        waiting: usize,
        /// A fair guess at when to come back.
        retry_after_seconds: u64,
    },
    /// The engine stopped, or is stopping.
    #[error("the model is not running: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// Our own fault.
    #[error("internal error of the engine")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a forward pass failed.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The plan does not fit the model. A bug of the scheduler.
    #[error("the step plan is invalid: {0}")]
    InvalidPlan(String),
    /// The mapped weights became unreadable.
    #[error("the model file changed or was truncated while in use")]
    WeightsLost,
    /// The tensor library or the device failed.
    #[error("the device failed")]
    Device(#[source] Box<dyn std::error::Error + Send + Sync>),
}
