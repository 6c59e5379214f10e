//! One-time codes: secrets that open one thing once, until they expire.

use super::{AccountId, Act, Digest, StoreResult, Timestamp};
use async_trait::async_trait;

/// What a code opens. A code for one thing opens no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodePurpose {
    /// Making the first administrator.
    Owner,
    /// Signing in to the UI from the machine itself (`rustygpt open`).
    Open,
    /// Making an account where sign-up is by invitation.
    Invitation,
    /// Setting a new password.
    PasswordReset,
    /// Signing in without the second factor, once.
    Recovery,
    /// Proving that an e-mail address is one's own.
    EmailVerification,
    /// Coming back from a sign-in elsewhere.
    OauthState,
    /// Giving the second factor after the first was right.
    SecondFactor,
}

/// A code to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    /// Its digest.
    pub digest: Digest,
    /// What it opens.
    pub purpose: CodePurpose,
    /// Whom it concerns, where that is known.
    pub account: Option<AccountId>,
    /// What whoever spends it gets back; sealed by the caller when it is secret.
    pub payload: Vec<u8>,
    /// When it stops to open.
    pub expires_at: Timestamp,
}

/// A code that has just been spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentCode {
    /// Whom it concerns.
    pub account: Option<AccountId>,
    /// What was kept with it.
    pub payload: Vec<u8>,
}

/// Acts on one-time codes.
#[async_trait]
pub trait Codes {
    /// Keeps a code. Of the purposes Owner, PasswordReset and EmailVerification an account has one
    /// at most: an earlier one opens no more.
    ///
    /// # Errors
    /// `IdTaken` when the same code exists.
    async fn issue_code(&self, code: &NewCode, act: &Act) -> StoreResult<()>;

    /// Spends a code. `None` when it is unknown, spent, expired, for something else, or of another
    /// account than `account` where that is given. Of many who present it, one spends it. Appended
    /// to the audit log as done or refused.
    async fn spend_code(
        &self,
        digest: Digest,
        purpose: CodePurpose,
        account: Option<AccountId>,
        act: &Act,
    ) -> StoreResult<Option<SpentCode>>;

    /// Forgets codes that expired before `at`; how many there were.
    async fn prune_codes(&self, at: Timestamp) -> StoreResult<u64>;
}
