//! Settings that an administrator changes while the server runs.

use super::{AccountId, Act, StoreResult, Timestamp};
use async_trait::async_trait;

/// One setting. Secrets are never values; a value may say where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, as JSON.
    pub value: String,
    /// Grows with each change of this setting; the first is 1.
    pub revision: i64,
    /// When it was changed.
    pub changed_at: Timestamp,
    /// By whom; `None`: by the server or someone who is gone.
    pub changed_by: Option<AccountId>,
}

/// Acts on settings.
#[async_trait]
pub trait Settings {
    /// All settings, by name.
    async fn settings(&self) -> StoreResult<Vec<Setting>>;

    /// One setting.
    async fn setting(&self, name: &str) -> StoreResult<Option<Setting>>;

    /// Changes a setting. With `expected`, only if it still has that revision (0: is not set).
    ///
    /// # Errors
    /// `Stale`.
    async fn change_setting(
        &self,
        name: &str,
        value: &str,
        expected: Option<i64>,
        act: &Act,
    ) -> StoreResult<Setting>;

    /// Removes a setting, so that what stands elsewhere counts again; nothing happens when it is
    /// not set.
    async fn remove_setting(&self, name: &str, act: &Act) -> StoreResult<()>;
}
