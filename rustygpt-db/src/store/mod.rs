//! The contract: narrow traits, one per noun, and the plain records they speak of.
//!
//! * A method is one atomic act. A future dropped half-way leaves it done or undone, never half.
//! * What changes something takes an [`Act`]: who, what, when. The store appends it to the audit
//!   log, and its tasks to the queue, in the same transaction.
//! * Not found is `Ok(None)` from what reads and [`StoreError::NotFound`] from what changes. What
//!   a [`Principal`] may not see is not found.
//! * Ids, times and secrets come from the caller. Of secrets only a [`Digest`] is kept, or bytes
//!   the caller has sealed.

mod accounts;
mod act;
mod api_keys;
mod audit;
mod codes;
mod error;
mod identities;
mod roles;
mod schedules;
mod sessions;
mod settings;
mod tasks;
mod usage;

pub use accounts::{
    Account, AccountState, Accounts, Credentials, LockPolicy, NewAccount, SignInFailures,
};
pub use act::{Act, Digest, Page, Principal, Timestamp};
pub use api_keys::{ApiKey, ApiKeyHolder, ApiKeys, NewApiKey, Quota, QuotaPeriod, Scope};
pub use audit::{Audit, AuditEntry, AuditFilter, AuditHead, Outcome};
pub use codes::{CodePurpose, Codes, NewCode, SpentCode};
pub use error::{Cause, Conflict, StoreError};
pub use identities::{Identities, Identity};
pub use roles::{Role, Roles};
pub use schedules::{NewSchedule, Schedule, Schedules};
pub use sessions::{NewSession, RefreshRequest, Rotation, Session, Sessions};
pub use settings::{Setting, Settings};
pub use tasks::{
    Claim, Enqueued, Failure, Lease, NewTask, Task, TaskCounts, TaskFilter, TaskState, Tasks,
};
pub use usage::{Holder, Spending, Usage, UsageDay, UsageReport};

use async_trait::async_trait;

/// What every act answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// Names the ids of one noun, so that an account's is never taken for a key's.
macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id!(
    /// The id of an [`Account`].
    AccountId
);
id!(
    /// The id of an [`ApiKey`].
    ApiKeyId
);
id!(
    /// The id of a [`Session`]: of one sign-in and every refresh token that descends from it.
    SessionId
);
id!(
    /// The id of a [`Task`].
    TaskId
);

/// Everything a home of the data can do.
#[async_trait]
pub trait Store:
    Accounts
    + ApiKeys
    + Audit
    + Codes
    + Identities
    + Roles
    + Schedules
    + Sessions
    + Settings
    + Tasks
    + Usage
    + Send
    + Sync
{
    /// Reads something trivial, so that health checks know whether the home answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    async fn ping(&self) -> StoreResult<()>;

    /// Waits for acts in progress and closes every connection. Later acts answer
    /// [`StoreError::Unavailable`].
    async fn close(&self);
}
