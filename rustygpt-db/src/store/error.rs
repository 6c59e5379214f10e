//! [`StoreError`]: what can go wrong, by what a caller can do about it.

use std::time::Duration;

/// What can go wrong in an act of the store. Nothing was changed when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was to be changed is not there, or not for this principal.
    #[error("there is no such {what}")]
    NotFound {
        /// The noun that was looked for.
        what: &'static str,
    },
    /// The act contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The home does not answer now: it restarts, its disk is full, its lock is held too long.
    #[error("the store is not available now")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// What happened, for the log.
        #[source]
        cause: Cause,
    },
    /// What is stored cannot be read as what it should be. Trying again does not help.
    #[error("the store holds something that cannot be read: {what}")]
    Corrupt {
        /// What was being read.
        what: String,
        /// What happened, for the log.
        #[source]
        cause: Option<Cause>,
    },
    /// The data was written by a newer RustyGPT. Opening it with this one could harm it.
    #[error(
        "the data has schema version {found}, this program knows versions up to {known}: \
         use the newer program"
    )]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The home is set up wrongly: a folder that cannot be written, a role or procedure missing.
    #[error("the store cannot be opened: {what}")]
    Misconfigured {
        /// What is wrong and what to do about it.
        what: String,
        /// What happened, for the log.
        #[source]
        cause: Option<Cause>,
    },
    /// A mistake of this crate: a statement the home refuses. Trying again does not help.
    #[error("the store refused a statement")]
    Refused {
        /// What happened, for the log.
        #[source]
        cause: Cause,
    },
}

/// The inside of an error: for logs, never for answers.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How an act contradicts what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another account has this e-mail address.
    #[error("another account has this e-mail address")]
    EmailTaken,
    /// This identity belongs to another account.
    #[error("this identity belongs to another account")]
    IdentityTaken,
    /// Something with this id exists already.
    #[error("this id is taken")]
    IdTaken,
    /// There is an owner already.
    #[error("there is an owner already")]
    OwnerExists,
    /// The code is unknown, spent, expired or for something else; which of them is not told.
    #[error("the code is not valid")]
    CodeInvalid,
    /// The account is disabled.
    #[error("the account is disabled")]
    AccountDisabled,
    /// Without this active administrator there would be none.
    #[error("the last administrator cannot be removed")]
    LastAdmin,
    /// Without this identity nobody could sign in to the account any more.
    #[error("the last way to sign in cannot be removed")]
    LastWayIn,
    /// Someone else changed it since it was read.
    #[error("it was changed by someone else meanwhile")]
    Stale,
    /// It is not in a state from which this can be done.
    #[error("this cannot be done in its present state")]
    WrongState,
}
