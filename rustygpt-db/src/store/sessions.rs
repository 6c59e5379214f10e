//! Sessions: sign-ins, each a family of refresh tokens of which one is fresh.

use super::{Account, AccountId, Act, Digest, Principal, SessionId, StoreResult, Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// One sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id; access tokens name it.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it was made, as far as was told.
    pub address: String,
    /// By what program, as far as was told.
    pub user_agent: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its token was last refreshed.
    pub refreshed_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// A sign-in to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// The digest of its first refresh token.
    pub token: Digest,
    /// When that token expires.
    pub token_expires_at: Timestamp,
    /// Where it is made.
    pub address: String,
    /// By what program.
    pub user_agent: String,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// A refresh token presented, and the one to come after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRequest {
    /// The digest of the token presented.
    pub presented: Digest,
    /// The digest of its child.
    pub child: Digest,
    /// When the child expires; the session's own end comes first where it is earlier.
    pub child_expires_at: Timestamp,
    /// For how long after it was spent a token is taken for one of a burst, not for a stolen one.
    /// Zero: every second use revokes.
    pub grace: Duration,
}

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It is spent, its child is fresh.
    Rotated {
        /// The session.
        session: Session,
        /// Whose it is.
        account: Account,
    },
    /// It was spent less than `grace` ago by someone else of the same burst. No child is made and
    /// nothing is revoked: whoever came first has the child.
    Raced {
        /// The session.
        session: SessionId,
    },
    /// It had been spent before: the session is revoked now, with every descendant.
    Reused {
        /// The session.
        session: SessionId,
        /// Whose it was.
        account: AccountId,
    },
    /// Unknown, expired, of a revoked session or of a disabled account.
    Refused,
}

/// Acts on sessions. What ends one moves
/// [`access_revision`](super::Accounts::access_revision).
#[async_trait]
pub trait Sessions {
    /// Keeps a sign-in and forgets the account's failures.
    ///
    /// # Errors
    /// `NotFound` (the account), `AccountDisabled`, `IdTaken`.
    async fn start_session(&self, session: &NewSession, act: &Act) -> StoreResult<Session>;

    /// Spends the presented token and makes its child fresh. Of parallel requests with one token
    /// exactly one is [`Rotation::Rotated`]. Appended to the audit log are `Rotated` as done and
    /// `Reused` as refused.
    ///
    /// # Errors
    /// `IdTaken` when the child's digest exists.
    async fn refresh_session(&self, request: &RefreshRequest, act: &Act) -> StoreResult<Rotation>;

    /// The session, unless it is revoked or expired at `at`.
    async fn live_session(
        &self,
        by: Principal,
        id: SessionId,
        at: Timestamp,
    ) -> StoreResult<Option<Session>>;

    /// An account's live sessions, latest first.
    async fn sessions(
        &self,
        by: Principal,
        account: AccountId,
        at: Timestamp,
    ) -> StoreResult<Vec<Session>>;

    /// Ends a session; nothing happens when it has ended already.
    ///
    /// # Errors
    /// `NotFound`.
    async fn revoke_session(&self, id: SessionId, act: &Act) -> StoreResult<()>;

    /// Ends every session of an account except `keep`; how many.
    async fn revoke_sessions(
        &self,
        account: AccountId,
        keep: Option<SessionId>,
        act: &Act,
    ) -> StoreResult<u64>;

    /// Forgets sessions that ended before `before`, with their tokens; how many.
    async fn prune_sessions(&self, before: Timestamp) -> StoreResult<u64>;

    /// Forgets refresh tokens that expired before `before`, spent ones above all; how many. One
    /// that comes back later is refused like any other that is unknown.
    async fn prune_refresh_tokens(&self, before: Timestamp) -> StoreResult<u64>;
}
