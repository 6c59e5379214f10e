//! Roles: what an account may do.

use super::{Account, AccountId, Act, StoreResult};
use async_trait::async_trait;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads what is shared with it; generates nothing, changes nothing.
    ReadOnly,
    /// Uses the server.
    User,
    /// Administers it.
    Admin,
}

/// Acts on roles. They move [`access_revision`](super::Accounts::access_revision).
#[async_trait]
pub trait Roles {
    /// Gives an account a role.
    ///
    /// # Errors
    /// `NotFound`; `LastAdmin` when no active administrator would be left, however many demote one
    /// another at the same time.
    async fn change_role(&self, id: AccountId, role: Role, act: &Act) -> StoreResult<Account>;
}
