//! The audit log: what was done, by whom, in a chain that shows every later change.

use super::{Act, Principal, StoreResult, Timestamp};
use async_trait::async_trait;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused: a wrong password, a spent token, a missing right.
    Refused,
    /// It went wrong.
    Failed,
}

/// One entry. Its hash covers every other field and the hash of the entry before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place: 1, 2, 3, … without gaps.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Principal,
    /// What: `account.create`.
    pub action: String,
    /// On what: `account:0192…`.
    pub object: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The request that asked for it, or empty.
    pub request: String,
    /// Where it was asked from, or empty.
    pub address: String,
    /// More, as JSON.
    pub detail: String,
    /// The hash of the entry before it.
    pub previous: [u8; 32],
    /// The hash of this entry.
    pub hash: [u8; 32],
}

/// Where the chain begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The sequence of the last entry that was pruned; 0 when none was.
    pub pruned: i64,
    /// Its hash; zeros when none was.
    pub pruned_hash: [u8; 32],
    /// The sequence of the last entry; equal to `pruned` when there is none.
    pub last: i64,
    /// Its hash.
    pub last_hash: [u8; 32],
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those after this sequence.
    pub after: i64,
    /// How many at most.
    pub limit: u32,
    /// Those whose action begins with this, or all when empty: `account.`.
    pub action_prefix: String,
}

impl AuditFilter {
    /// The next entries for who reads them all.
    #[must_use]
    pub fn next_after(after: i64) -> Self {
        Self {
            after,
            limit: 1000,
            action_prefix: String::new(),
        }
    }
}

/// Acts on the audit log.
#[async_trait]
pub trait Audit {
    /// Appends an act that changed nothing in the store (a sign-in refused, a model loaded), and
    /// enqueues its tasks.
    async fn append_audit(&self, act: &Act, outcome: Outcome) -> StoreResult<()>;

    /// Entries in the order of the chain. An account sees its own; the server and administrators
    /// see all.
    async fn audit_entries(
        &self,
        by: Principal,
        filter: &AuditFilter,
    ) -> StoreResult<Vec<AuditEntry>>;

    /// Where the chain begins and ends now. Kept elsewhere, it shows a later rewriting of the
    /// whole chain.
    async fn audit_head(&self) -> StoreResult<AuditHead>;

    /// Forgets the chain's beginning up to and with the entry `through`, and appends that it was
    /// done; how many. `hash` is that entry's: who knows it has a copy of the chain up to it, and
    /// nothing goes that nobody has.
    ///
    /// # Errors
    /// `Stale` when there is no such entry, or not any more.
    async fn prune_audit(&self, through: i64, hash: [u8; 32], act: &Act) -> StoreResult<u64>;
}
