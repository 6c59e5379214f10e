//! What administrators do.

use super::{AccountView, RoleName, StateName, UsageView};
use serde::{Deserialize, Serialize};

/// Makes an account for somebody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberRequest {
    /// Their e-mail address.
    pub email: String,
    /// What to call them.
    #[serde(default)]
    pub name: String,
    /// What they may do; without a word, use the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Their first password; without one, the answer holds a code with which they set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// The account that was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberAnswer {
    /// The account.
    pub account: AccountView,
    /// With which its holder sets a password.
    pub code: Option<String>,
}

/// Changes somebody's account; what is not there stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberChange {
    /// What they may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Whether they may do anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateName>,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: serde_json::Value,
    /// Where that comes from: `default`, `file …`, `store`, `environment …` or `flag …`.
    pub source: String,
    /// Grows with each change in the store.
    pub revision: i64,
    /// Whether it can be changed here: not, where the environment or a flag of the server sets it,
    /// or where it is read when the server starts.
    pub is_changeable: bool,
}

/// What was used of a model on a day, by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountUsageView {
    /// The account.
    pub account: String,
    /// What it used.
    #[serde(flatten)]
    pub usage: UsageView,
}

/// A file of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditFileView {
    /// Its name: `export-TASK.jsonl`, or `archive-FIRST-LAST.jsonl` for entries that have left the
    /// store.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written.
    pub written: i64,
}

/// Changes a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingChange {
    /// Its value.
    pub value: serde_json::Value,
    /// Only if it still has this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskView {
    /// Its id.
    pub id: String,
    /// What is to be done.
    pub kind: String,
    /// `waiting`, `running`, `done`, `dead` or `cancelled`.
    pub state: String,
    /// Whose it is; none: the server's own.
    pub account: Option<String>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it may be begun.
    pub max_attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created: i64,
    /// When it is due.
    pub run_at: i64,
    /// When it ended.
    pub finished: Option<i64>,
}
