//! What `/api` speaks: accounts, sign-ins, keys, settings. Times are seconds since 1970; ids are
//! opaque texts.
//!
//! Types that hold a secret have no `Debug`, so that none gets into a log line.

mod admin;
mod auth;
mod own;

pub use admin::*;
pub use auth::*;
pub use own::*;

use serde::{Deserialize, Serialize};

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RoleName {
    /// Administers the server.
    Admin,
    /// Uses it.
    User,
    /// Reads what is shared with it; generates nothing, changes nothing.
    ReadOnly,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StateName {
    /// It may.
    Active,
    /// It may not.
    Disabled,
}

/// What a key is good for; never more than its account's role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ScopeName {
    /// Asking models.
    Inference,
    /// Reading what the account may read.
    Read,
    /// Changing what the account may change.
    Write,
    /// Administering.
    Admin,
}

/// Over what time a quota is counted, by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PeriodName {
    /// From midnight to midnight.
    Day,
    /// From the first of the month.
    Month,
}

/// How many tokens may be used in a period, prompt and answer together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenQuota {
    /// Tokens.
    pub tokens: u64,
    /// Over what time.
    pub period: PeriodName,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountView {
    /// Its id.
    pub id: String,
    /// Its e-mail address.
    pub email: String,
    /// What to call its holder.
    pub name: String,
    /// What it may do.
    pub role: RoleName,
    /// Whether it may do anything.
    pub state: StateName,
    /// Whether signing in asks for a second factor.
    pub has_second_factor: bool,
    /// Whether there is a password.
    pub has_password: bool,
    /// When it was made.
    pub created: i64,
}

/// A one-time code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CodeAnswer {
    /// The code, shown now and never again.
    pub code: String,
}

/// What a failed request of `/api` is answered with (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` tells what happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// A sentence for a person.
    pub detail: String,
    /// What happened, for a program.
    pub code: String,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
