//! Identities: who an account's holder is elsewhere.

use super::{Account, AccountId, Act, Digest, NewAccount, Principal, StoreResult, Timestamp};
use async_trait::async_trait;

/// Someone as an issuer knows them. `issuer` and `subject` together name one person for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who vouches: `https://github.com`, an OpenID Connect issuer's address.
    pub issuer: String,
    /// Whom they vouch for, in the issuer's own naming.
    pub subject: String,
    /// The account it opens.
    pub account: AccountId,
    /// The address the issuer told, for display; nothing is found by it.
    pub email: Option<String>,
    /// When it was linked.
    pub linked_at: Timestamp,
}

/// Acts on identities.
#[async_trait]
pub trait Identities {
    /// The account that this identity opens. The server's own act: nobody is known yet.
    async fn account_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<Account>>;

    /// Makes an account together with its first identity and, where `invitation` is given, spends
    /// that code.
    ///
    /// # Errors
    /// `EmailTaken`, `IdentityTaken`, `IdTaken`, `CodeInvalid`.
    async fn create_account_with_identity(
        &self,
        account: &NewAccount,
        identity: &Identity,
        invitation: Option<Digest>,
        act: &Act,
    ) -> StoreResult<Account>;

    /// Links an identity to its account; nothing happens when that is so already.
    ///
    /// # Errors
    /// `NotFound` (the account), `IdentityTaken`.
    async fn link_identity(&self, identity: &Identity, act: &Act) -> StoreResult<()>;

    /// Unlinks.
    ///
    /// # Errors
    /// `NotFound`; `LastWayIn` when the account has no password and no other identity.
    async fn unlink_identity(
        &self,
        account: AccountId,
        issuer: &str,
        subject: &str,
        act: &Act,
    ) -> StoreResult<()>;

    /// An account's identities.
    async fn identities(&self, by: Principal, account: AccountId) -> StoreResult<Vec<Identity>>;
}
