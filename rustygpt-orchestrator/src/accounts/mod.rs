//! Accounts: who there is, how they prove it, and what they keep.
//!
//! * [`Accounts::sign_in`], [`Accounts::refresh`], [`Accounts::sign_out`]: a person's way in;
//! * [`Accounts::authenticate`]: what a request brings becomes a [`Caller`];
//! * `oauth`: the same by issuers elsewhere;
//! * the rest: one file per noun, each act one method whose first line is
//!   [`authorize`](crate::access::authorize).
//!
//! Invariant: what is in the clear (passwords, codes, keys, tokens) is never kept, never logged and
//! never in an error.

mod access_token;
mod administer;
mod api_keys;
mod audit_exports;
mod authenticate;
mod email;
mod live;
mod oauth;
mod one_time_code;
mod owner;
mod password;
mod policy;
mod profile;
mod root_secret;
mod second_factor;
mod session;
mod sign_in;
mod sign_up;
mod signatures;
mod totp;
mod usage;

pub use crate::settings::{Policy, ShownSetting, SignUp};
pub use administer::NewMember;
pub use api_keys::{KeyWish, ShownKey};
pub use authenticate::{Authenticated, Presented};
pub use email::{Email, InvalidEmail};
pub use live::Live;
pub use oauth::{
    Answer, Arrival, Departure, InvalidIssuer, IssuerKind, IssuerSettings, Issuers, LinkedIdentity,
    Returning, Secret, ShownIssuer, WireLimits,
};
pub use one_time_code::OneTimeCode;
pub use password::{Cost, Password, PasswordError, Passwords, WeakPassword};
pub use profile::Export;
pub use root_secret::{ROOT_BYTES, RootSecrets};
pub use second_factor::{SecondFactorCodes, SecondFactorOffer};
pub use session::SignedIn;
pub use sign_up::Applicant;
pub use usage::{Reservation, TokenStanding};
// What the use-cases answer with is what the store keeps.
pub use rustygpt_db::store::Outcome as AuditOutcome;
pub use rustygpt_db::store::{
    Account, AccountState, ApiKey as KeptKey, ApiKeyId, AuditEntry, AuditFilter, Identity, Page,
    Quota, QuotaPeriod, Session, SessionId, Setting, Store, StoreError, Task, TaskCounts,
    TaskFilter, TaskId, TaskState, Timestamp, UsageDay,
};

use crate::UseCaseError;
use crate::access::{AccountId, Caller};
use crate::settings::Layers;
use crate::tasks::{AuditFiles, Bell};
use live::LiveCredentials;
use rustygpt_db::store::{Act, Principal};
use rustygpt_utils::clock::Clock;
use rustygpt_utils::tasks::Tasks;
use std::fmt;
use std::sync::{Arc, RwLock};
use tokio_util::sync::CancellationToken;

/// What the composition root fills.
pub struct AccountsParts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// What signs tokens and seals secrets.
    pub secrets: RootSecrets,
    /// Who vouches for people from elsewhere.
    pub issuers: Issuers,
    /// Where background work lives.
    pub tasks: Tasks,
    /// What was said of the settings outside the store.
    pub settings: Layers,
    /// Wakes the worker that runs tasks here.
    pub bell: Bell,
    /// Where files of the audit log lie.
    pub audit_files: AuditFiles,
    /// Cancelled when open streams are to end; every sign-in's own token is a child of it.
    pub ending: CancellationToken,
}

/// The use-cases of accounts.
pub struct Accounts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    passwords: Passwords,
    secrets: RootSecrets,
    issuers: Issuers,
    live: LiveCredentials,
    /// The policy as it was read last; [`Accounts::watch`] keeps it new.
    policy: RwLock<Policy>,
    settings: Layers,
    bell: Bell,
    audit_files: AuditFiles,
    settling: usage::Settling,
    tasks: Tasks,
}

/// Where a request came from, for the audit log and the list of sign-ins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whence {
    /// The request's id.
    pub request: String,
    /// The client's address.
    pub address: String,
    /// The program, as it calls itself.
    pub user_agent: String,
}

impl Accounts {
    /// The use-cases over these parts.
    #[must_use]
    pub fn new(parts: AccountsParts) -> Self {
        Self {
            store: parts.store,
            clock: parts.clock,
            passwords: parts.passwords,
            secrets: parts.secrets,
            issuers: parts.issuers,
            live: LiveCredentials::new(parts.ending),
            policy: RwLock::new(parts.settings.policy(&[])),
            settings: parts.settings,
            bell: parts.bell,
            audit_files: parts.audit_files,
            settling: usage::Settling::default(),
            tasks: parts.tasks,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(self.clock.as_ref())
    }

    /// An act of `by`, as the audit log will tell it.
    fn act(&self, by: Principal, whence: &Whence, action: &str, object: impl fmt::Display) -> Act {
        Act {
            request: whence.request.clone(),
            address: whence.address.clone(),
            ..Act::new(by, self.now(), action, object)
        }
    }

    fn new_id(&self) -> Result<uuid::Uuid, UseCaseError> {
        Ok(rustygpt_utils::ids::time_ordered(self.clock.since_epoch())?)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Accounts(…)")
    }
}

/// The caller's own account.
///
/// # Errors
/// [`UseCaseError::NotFound`] for those who have none, such as the local key.
fn own_account(caller: &Caller) -> Result<AccountId, UseCaseError> {
    caller.account().ok_or(UseCaseError::NotFound("account"))
}

/// Whose rows there are for someone who reads or changes what is their own.
fn as_oneself(caller: &Caller) -> Result<Principal, UseCaseError> {
    Ok(Principal::Account(own_account(caller)?))
}

/// Whose rows there are for an administrator; the local owner is the server itself.
fn as_admin(caller: &Caller) -> Principal {
    caller.account().map_or(Principal::Server, Principal::Admin)
}
