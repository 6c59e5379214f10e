//! Accounts: who there is, and what they prove themselves with.

use super::{AccountId, Act, Digest, Page, Principal, Role, SessionId, StoreResult, Timestamp};
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// It may.
    Active,
    /// It may not, until an administrator says otherwise.
    Disabled,
}

/// Someone who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its e-mail address in the caller's normal form; no two accounts share one.
    pub email: String,
    /// Whether the address was proved to be theirs.
    pub is_email_verified: bool,
    /// What to call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may do anything.
    pub state: AccountState,
    /// Whether signing in asks for a second factor.
    pub has_totp: bool,
    /// Whether there is a password.
    pub has_password: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is needed to make an account.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its id, time-ordered.
    pub id: AccountId,
    /// Its e-mail address, already in normal form (trimmed, lower case).
    pub email: String,
    /// Whether the address was proved to be theirs.
    pub is_email_verified: bool,
    /// What to call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The password's hash (argon2id, PHC string), or `None` for those who sign in elsewhere.
    pub password_hash: Option<String>,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewAccount")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// An account and what its holder is asked for at sign-in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// The password's hash (PHC string).
    pub password_hash: Option<String>,
    /// The TOTP secret, sealed by the caller with a key that is not in the store.
    pub totp_sealed: Option<Vec<u8>>,
    /// Failed sign-ins so far, and until when no more are heard.
    pub failures: SignInFailures,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("account", &self.account)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// Failed sign-ins in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInFailures {
    /// How many since the last success, or since the window began.
    pub count: u32,
    /// Until when the account hears no sign-in.
    pub locked_until: Option<Timestamp>,
}

/// When failed sign-ins lock an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockPolicy {
    /// The failure that locks it.
    pub limit: u32,
    /// Failures further back than this are forgotten.
    pub window: Duration,
    /// How long it stays locked.
    pub lock: Duration,
}

/// Acts on accounts. What changes an account's access also moves
/// [`access_revision`](Accounts::access_revision).
#[async_trait]
pub trait Accounts {
    /// Makes the first administrator and spends the one-time code of [`CodePurpose::Owner`](super::CodePurpose::Owner), if
    /// there is no administrator yet.
    ///
    /// # Errors
    /// `OwnerExists`, `CodeInvalid`, `EmailTaken`, `IdTaken`.
    async fn create_owner(
        &self,
        account: &NewAccount,
        code: Digest,
        act: &Act,
    ) -> StoreResult<Account>;

    /// Makes an account and, where `invitation` is given, spends that code of
    /// [`CodePurpose::Invitation`](super::CodePurpose::Invitation).
    ///
    /// # Errors
    /// `EmailTaken`, `IdTaken`, `CodeInvalid`.
    async fn create_account(
        &self,
        account: &NewAccount,
        invitation: Option<Digest>,
        act: &Act,
    ) -> StoreResult<Account>;

    /// The account with this id.
    async fn account(&self, by: Principal, id: AccountId) -> StoreResult<Option<Account>>;

    /// Accounts in the order of their making.
    async fn accounts(&self, by: Principal, page: Page) -> StoreResult<Vec<Account>>;

    /// What sign-in by e-mail needs to know. The server's own act: nobody is known yet.
    async fn credentials_by_email(&self, email: &str) -> StoreResult<Option<Credentials>>;

    /// What a change of password or second factor needs to know.
    async fn credentials(&self, by: Principal, id: AccountId) -> StoreResult<Option<Credentials>>;

    /// Counts one failed sign-in and locks the account when it is the policy's last. Parallel
    /// failures are each counted. Appended to the audit log as refused.
    ///
    /// # Errors
    /// `NotFound`.
    async fn record_sign_in_failure(
        &self,
        id: AccountId,
        policy: LockPolicy,
        act: &Act,
    ) -> StoreResult<SignInFailures>;

    /// Changes name and e-mail address; a new address is unverified unless told otherwise.
    ///
    /// # Errors
    /// `NotFound`, `EmailTaken`.
    async fn change_profile(
        &self,
        id: AccountId,
        name: &str,
        email: &str,
        is_email_verified: bool,
        act: &Act,
    ) -> StoreResult<Account>;

    /// Replaces the password, forgets failures, and revokes every session except `keep`.
    ///
    /// # Errors
    /// `NotFound`.
    async fn change_password(
        &self,
        id: AccountId,
        password_hash: &str,
        keep: Option<SessionId>,
        act: &Act,
    ) -> StoreResult<()>;

    /// Spends a code of [`CodePurpose::PasswordReset`](super::CodePurpose::PasswordReset), replaces its account's password, forgets
    /// failures and revokes every session.
    ///
    /// # Errors
    /// `CodeInvalid`.
    async fn reset_password(
        &self,
        code: Digest,
        password_hash: &str,
        act: &Act,
    ) -> StoreResult<AccountId>;

    /// Puts a newer hash of the same password in the place of `old`. Whether it was still there:
    /// a password changed meanwhile stays. Not audited: nothing a person did.
    async fn rehash_password(&self, id: AccountId, old: &str, new: &str) -> StoreResult<bool>;

    /// Sets or removes the second factor, and replaces the codes of [`CodePurpose::Recovery`](super::CodePurpose::Recovery).
    ///
    /// # Errors
    /// `NotFound`.
    async fn change_totp(
        &self,
        id: AccountId,
        totp_sealed: Option<&[u8]>,
        recovery_codes: &[Digest],
        act: &Act,
    ) -> StoreResult<()>;

    /// Uses up the time step of a TOTP code. `false` when this or a later step was used before:
    /// each code opens once, however many present it at the same time.
    async fn use_totp_step(&self, id: AccountId, step: i64) -> StoreResult<bool>;

    /// Enables or disables. Disabling revokes every session.
    ///
    /// # Errors
    /// `NotFound`, `LastAdmin`.
    async fn change_state(
        &self,
        id: AccountId,
        state: AccountState,
        act: &Act,
    ) -> StoreResult<Account>;

    /// Removes the account and everything that is its own; the audit log keeps what it did.
    ///
    /// # Errors
    /// `NotFound`, `LastAdmin`.
    async fn delete_account(&self, id: AccountId, act: &Act) -> StoreResult<()>;

    /// How many accounts there are.
    async fn count_accounts(&self) -> StoreResult<u64>;

    /// A number that grows with every act that takes access away (role, state, password, session,
    /// key). Whoever remembers who is who forgets it when the number has moved; other processes
    /// on the same store learn of revocations by it.
    async fn access_revision(&self) -> StoreResult<i64>;
}
