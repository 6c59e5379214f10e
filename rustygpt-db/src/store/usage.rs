//! Usage: what was computed for whom, and how much of a quota is left.

use super::{AccountId, ApiKeyId, Page, Principal, Quota, StoreResult, Timestamp};
use async_trait::async_trait;

/// Whose quota is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A key's own.
    Key(ApiKeyId),
    /// An account's, over all its keys.
    Account(AccountId),
}

/// Whether tokens could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// They are spent.
    Granted {
        /// How many are left.
        remaining: u64,
        /// When the count begins anew.
        resets_at: Timestamp,
    },
    /// There were too few; nothing was spent.
    Exhausted {
        /// How many are left.
        remaining: u64,
        /// When the count begins anew.
        resets_at: Timestamp,
    },
}

/// What one request took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageReport {
    /// For whom.
    pub account: AccountId,
    /// By which key; `None` from the UI.
    pub key: Option<ApiKeyId>,
    /// By which model.
    pub model: String,
    /// When.
    pub at: Timestamp,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Those of them that were not computed anew.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// What an account used of a model on a day of UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDay {
    /// The day's first moment.
    pub day: Timestamp,
    /// For whom.
    pub account: AccountId,
    /// By which key; `None` from the UI.
    pub key: Option<ApiKeyId>,
    /// By which model.
    pub model: String,
    /// Requests.
    pub requests: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Those of them that were not computed anew.
    pub cached_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
}

/// Acts on usage. None is audited: usage is its own record.
#[async_trait]
pub trait Usage {
    /// Spends tokens of a quota, whole or not at all. However many spend at once, never more than
    /// the quota is granted.
    async fn spend_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending>;

    /// Spends tokens whole where any at all are left, even if they are fewer; the next one finds
    /// none until enough came back. However many draw at once, the quota is overdrawn by one at
    /// most.
    async fn draw_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending>;

    /// Gives back tokens spent at `spent_at`; never more than were spent in that period.
    async fn return_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        spent_at: Timestamp,
    ) -> StoreResult<()>;

    /// Adds one request to the sums of its day. Nothing happens when the account is gone.
    async fn record_usage(&self, report: &UsageReport) -> StoreResult<()>;

    /// A part of the days in `from..until`, earliest first; of one account, or of all.
    async fn usage_days(
        &self,
        by: Principal,
        account: Option<AccountId>,
        from: Timestamp,
        until: Timestamp,
        page: Page,
    ) -> StoreResult<Vec<UsageDay>>;

    /// Forgets days before that of `before`, and what was counted of quotas that began then; how
    /// many days.
    async fn prune_usage(&self, before: Timestamp) -> StoreResult<u64>;
}
