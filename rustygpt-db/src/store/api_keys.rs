//! API keys: what programs prove themselves with.

use super::{Account, AccountId, Act, ApiKeyId, Digest, Principal, StoreResult, Timestamp};
use async_trait::async_trait;

/// What a key is good for; never more than its account's role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Asking models.
    Inference,
    /// Reading what the account may read.
    Read,
    /// Changing what the account may change.
    Write,
    /// Administering.
    Admin,
}

/// Over what time a quota is counted. Days and months are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuotaPeriod {
    /// From midnight to midnight.
    Day,
    /// From the first of the month.
    Month,
}

/// How many tokens may be used in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Tokens, of prompt and answer together.
    pub tokens: u64,
    /// Over what time.
    pub period: QuotaPeriod,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What its holder calls it.
    pub name: String,
    /// Enough of it to be recognised by, far too little to be guessed from: `sk-rustygpt-1a2b…`.
    pub hint: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it stops to open; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Requests per minute; `None`: the server's default.
    pub requests_per_minute: Option<u32>,
    /// Tokens per period; `None`: no limit of its own.
    pub quota: Option<Quota>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last seen, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What its holder calls it.
    pub name: String,
    /// The digest of the secret.
    pub digest: Digest,
    /// Enough of it to be recognised by.
    pub hint: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it stops to open.
    pub expires_at: Option<Timestamp>,
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per period.
    pub quota: Option<Quota>,
}

/// A key and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyHolder {
    /// The key.
    pub key: ApiKey,
    /// The digest found, for a comparison in constant time.
    pub digest: Digest,
    /// Whose it is.
    pub account: Account,
}

/// Acts on API keys. Revoking moves [`access_revision`](super::Accounts::access_revision).
#[async_trait]
pub trait ApiKeys {
    /// Keeps a key.
    ///
    /// # Errors
    /// `NotFound` (the account), `IdTaken`.
    async fn create_api_key(&self, key: &NewApiKey, act: &Act) -> StoreResult<ApiKey>;

    /// The key with this digest and its account, whatever their state: that they still open is for
    /// the caller to see. The server's own act: nobody is known yet.
    async fn api_key_by_digest(&self, digest: Digest) -> StoreResult<Option<ApiKeyHolder>>;

    /// One key.
    async fn api_key(&self, by: Principal, id: ApiKeyId) -> StoreResult<Option<ApiKey>>;

    /// An account's keys, latest first, revoked ones too.
    async fn api_keys(&self, by: Principal, account: AccountId) -> StoreResult<Vec<ApiKey>>;

    /// Revokes a key; nothing happens when it is revoked already.
    ///
    /// # Errors
    /// `NotFound`.
    async fn revoke_api_key(&self, id: ApiKeyId, act: &Act) -> StoreResult<()>;

    /// Notes that a key was used. A time earlier than the one noted changes nothing. Not audited;
    /// the caller does it once a minute at most.
    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> StoreResult<()>;
}
