//! What every act brings along: who does it, what it is called, when it happens.

use super::{AccountId, NewTask};
use rustygpt_utils::clock::Clock;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What `clock` shows.
    #[must_use]
    pub fn now(clock: &dyn Clock) -> Self {
        Self(0).plus(clock.since_epoch())
    }

    /// This much later; the end of time when that is beyond it.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }

    /// This much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration)))
    }

    /// How long `earlier` lies back; zero when it does not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A duration as the store writes it.
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The SHA-256 of a secret of at least 128 random bits: a token, a key, a code. A slow hash would
/// add nothing to it. Passwords have too little randomness for this.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a secret in the clear.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(…)")
    }
}

/// On whose behalf something is read or done. It bounds which rows exist: beneath the checks of
/// the use-cases, PostgreSQL's row-level security goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The server itself: sign-in before it is known who asks, the task worker, the command line.
    Server,
    /// An account, which sees what is its own.
    Account(AccountId),
    /// An administrator, who sees everybody's.
    Admin(AccountId),
}

impl Principal {
    /// The account behind it, if there is one.
    #[must_use]
    pub fn account(self) -> Option<AccountId> {
        match self {
            Self::Server => None,
            Self::Account(id) | Self::Admin(id) => Some(id),
        }
    }

    /// Whether rows that belong to `owner` exist for it.
    #[must_use]
    pub fn sees(self, owner: AccountId) -> bool {
        match self {
            Self::Server | Self::Admin(_) => true,
            Self::Account(id) => id == owner,
        }
    }
}

/// What is done, by whom and when: what the audit log says about a change. The store appends it in
/// the same act, with the [`Outcome`](super::Outcome) it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// On whose behalf.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// What, as noun and verb: `account.create`, `session.revoke`.
    pub action: String,
    /// On what, for people and for search: `account:0192…`; never a secret.
    pub object: String,
    /// The request that asked for it (`req_…`), empty when none did.
    pub request: String,
    /// Where it was asked from, empty when it was the server's own doing.
    pub address: String,
    /// More that is worth keeping, as JSON; `{}` when there is nothing. Never a secret.
    pub detail: String,
    /// Tasks that follow from it, enqueued in the same act.
    pub tasks: Vec<NewTask>,
}

impl Act {
    /// An act without a request, address, detail or tasks.
    #[must_use]
    pub fn new(by: Principal, at: Timestamp, action: &str, object: impl fmt::Display) -> Self {
        Self {
            by,
            at,
            action: action.to_owned(),
            object: object.to_string(),
            request: String::new(),
            address: String::new(),
            detail: "{}".to_owned(),
            tasks: Vec::new(),
        }
    }
}

/// A part of a list: at most `limit` things after the first `offset`, in the list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many to leave out.
    pub offset: u32,
    /// How many to return at most.
    pub limit: u32,
}

impl Page {
    /// The first hundred.
    pub const FIRST: Self = Self {
        offset: 0,
        limit: 100,
    };

    /// All there is.
    pub const WHOLE: Self = Self {
        offset: 0,
        limit: u32::MAX,
    };
}
