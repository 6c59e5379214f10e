//! [`UseCaseError`]: what can go wrong, by what a caller can do about it.

use crate::access::Denied;
use crate::accounts::PasswordError;
use rustygpt_db::store::{Conflict, StoreError};
use rustygpt_model::contract::ModelError;
use rustygpt_utils::random::NoRandomness;
use std::sync::Arc;
use std::time::Duration;

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
    /// No such thing, or none for this caller.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// A field cannot be what it is.
    #[error("{reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The address, the password or the code is not right, or the account may not be used: which,
    /// is not told.
    #[error("The e-mail address, the password or the code is not right.")]
    SignInRefused,
    /// The password is right, and not enough.
    #[error("This account asks for a second factor: send its code as `code`.")]
    SecondFactorRequired,
    /// The sign-in has ended.
    #[error("You are signed out. Sign in again.")]
    SignedOut,
    /// Another request of the same burst has the new tokens already.
    #[error("Another request has just refreshed this sign-in. Use what it was given.")]
    RefreshRaced,
    /// Nobody may sign up, or only who was invited.
    #[error("Accounts are made by an administrator or by invitation here.")]
    SignUpClosed,
    /// A return from an issuer that this browser did not set out for, or not any more.
    #[error("This sign-in was not begun in this browser, was used, or is too old. Begin again.")]
    SignInLost,
    /// The issuer did not let its visitor in, or they did not want to.
    #[error("You were not signed in there. Begin again, or sign in another way.")]
    IssuerRefused,
    /// What the issuer answered does not prove who somebody is.
    #[error("What came back does not prove who you are. Begin again.")]
    IdentityRefused,
    /// The issuer does not say that the e-mail address is its visitor's own.
    #[error("Confirm your e-mail address there first: without that no account is made here.")]
    EmailUnverified,
    /// The issuer does not answer, or not as it should; the inside is for the log.
    #[error("The other side does not answer as it should; try again soon.")]
    IssuerUnavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too much at once.
    #[error("{message}")]
    Busy {
        /// What there is too much of.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The store does not answer now.
    #[error("The server cannot reach its store now; try again soon.")]
    StoreUnavailable {
        /// When to try again.
        retry_after: Duration,
        /// What happened, for the log.
        #[source]
        cause: StoreError,
    },
    /// Our own fault; the inside is for the log.
    #[error("the server failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl UseCaseError {
    /// A field that cannot be what it is.
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            reason: reason.into(),
        }
    }
}

impl From<StoreError> for UseCaseError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what } => Self::NotFound(what),
            StoreError::Conflict(Conflict::CodeInvalid) => {
                Self::invalid("code", "The code is not valid, or not any more.")
            }
            StoreError::Conflict(Conflict::AccountDisabled) => Self::SignInRefused,
            StoreError::Conflict(conflict) => Self::Conflict(sentence(&conflict.to_string())),
            StoreError::Unavailable { retry_after, .. } => Self::StoreUnavailable {
                retry_after,
                cause: error,
            },
            other => Self::Internal(Box::new(other)),
        }
    }
}

impl From<NoRandomness> for UseCaseError {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<PasswordError> for UseCaseError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy {
                message: sentence(&error.to_string()),
                retry_after: Duration::from_secs(2),
            },
            other => Self::Internal(Box::new(other)),
        }
    }
}

/// A message as people read it: `there is …` becomes `There is … .`
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
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
