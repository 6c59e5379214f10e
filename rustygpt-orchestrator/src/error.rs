//! [`UseCaseError`]: what can go wrong, by what a caller can do about it.

use crate::access::Denied;
use rustygpt_model::contract::ModelError;
use std::sync::Arc;

/// What can go wrong in a use-case, by what a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// The caller may not do this, and may know it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No such model for this caller.
    #[error("{}", model_not_found(name, available))]
    ModelNotFound {
        /// The name asked for.
        name: String,
        /// The names the caller may use.
        available: Vec<String>,
    },
    /// The model is there, and is not for this.
    #[error("{}", wrong_kind(id, kind, wanted, others))]
    WrongKind {
        /// The model asked for.
        id: String,
        /// What it is for.
        kind: &'static str,
        /// What it was asked to do.
        wanted: &'static str,
        /// The names of models that can do it.
        others: Vec<String>,
    },
    /// The model needs more memory than it can have.
    #[error(
        "The model `{id}` does not fit in memory: it needs {needed_bytes} bytes, {available_bytes} \
         are available."
    )]
    NoRoom {
        /// The model asked for.
        id: String,
        /// Bytes that it needs.
        needed_bytes: u64,
        /// Bytes that it can have, beside what may not be unloaded.
        available_bytes: u64,
    },
    /// The model could not be loaded; the next request tries again.
    #[error("The model `{id}` could not be loaded: {}.", not_loaded(cause))]
    NotLoaded {
        /// The model asked for.
        id: String,
        /// Why; it may name files of this machine.
        cause: Arc<ModelError>,
    },
    /// The model refused or failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

fn wrong_kind(id: &str, kind: &str, wanted: &str, others: &[String]) -> String {
    let article = if kind.starts_with('e') { "an" } else { "a" };
    let others = match others {
        [] => "no other model can".to_owned(),
        _ => format!("these can: {}", others.join(", ")),
    };
    format!("The model `{id}` is {article} {kind} model and cannot {wanted}; {others}.")
}

/// Why a model was not loaded, without a word of where its files lie.
fn not_loaded(cause: &ModelError) -> String {
    match cause {
        ModelError::OutOfMemory {
            needed_bytes,
            available_bytes,
            ..
        } => format!("it needs {needed_bytes} bytes, {available_bytes} are available"),
        ModelError::Unreadable { source, .. } => {
            format!("its file cannot be read ({})", source.kind())
        }
        ModelError::InvalidFile { .. } => {
            "its file is broken or changed; the log of the server says more".to_owned()
        }
        ModelError::UnsupportedModel { .. } => {
            "it is of a kind that this server cannot run; the log of the server says more"
                .to_owned()
        }
        _ => "the log of the server says why".to_owned(),
    }
}

fn model_not_found(name: &str, available: &[String]) -> String {
    // A name from a request is not repeated at any length.
    let name: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
    match available {
        [] => format!(
            "The model `{name}` does not exist: no model is loaded, and there is none to load. Start \
             the server with --model PATH."
        ),
        _ => format!(
            "The model `{name}` does not exist or you do not have access to it. Available models: {}.",
            available.join(", ")
        ),
    }
}
