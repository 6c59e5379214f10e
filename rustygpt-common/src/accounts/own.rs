//! One's own account.

use super::{AccountView, ScopeName, TokenQuota};
use serde::{Deserialize, Serialize};

/// Changes what somebody is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileRequest {
    /// The name.
    pub name: String,
}

/// Changes a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasswordRequest {
    /// The password as it is.
    #[serde(default)]
    pub password: String,
    /// The password as it is to be.
    pub new_password: String,
}

/// Confirms an act with the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Confirmation {
    /// The password.
    pub password: String,
}

/// A secret for an app that computes codes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecondFactorOfferAnswer {
    /// What a QR code is to hold.
    pub uri: String,
    /// The secret, to be typed in by hand.
    pub secret: String,
    /// Comes back with the first code.
    pub offer: String,
}

/// Sets the second factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecondFactorRequest {
    /// The password.
    pub password: String,
    /// The offer.
    pub offer: String,
    /// The app's first code.
    pub code: String,
}

/// Recovery codes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodesAnswer {
    /// Each lets its holder in once without the app. Shown now and never again.
    pub recovery_codes: Vec<String>,
}

/// A sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInView {
    /// Its id.
    pub id: String,
    /// Whether this request came with it.
    pub is_this_one: bool,
    /// Where it was made.
    pub address: String,
    /// By what program.
    pub user_agent: String,
    /// When it was made.
    pub created: i64,
    /// When it was last refreshed.
    pub refreshed: i64,
    /// When it ends.
    pub expires: i64,
}

/// How many were ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndedAnswer {
    /// How many.
    pub ended: u64,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Enough of it to recognise it by.
    pub hint: String,
    /// What it is good for.
    pub scopes: Vec<ScopeName>,
    /// When it was made.
    pub created: i64,
    /// When it stops to open.
    pub expires: Option<i64>,
    /// When it was last used, to the minute.
    pub last_used: Option<i64>,
    /// When it was revoked.
    pub revoked: Option<i64>,
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per period.
    pub quota: Option<TokenQuota>,
}

/// Asks for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyRequest {
    /// A name for it.
    #[serde(default)]
    pub name: String,
    /// What it is to be good for; without any, inference.
    #[serde(default)]
    pub scopes: Vec<ScopeName>,
    /// When it is to stop opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Requests per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens per period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<TokenQuota>,
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewKeyAnswer {
    /// The key itself, shown now and never again.
    pub secret: String,
    /// What is kept of it.
    pub key: KeyView,
}

/// What was used of a model on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageView {
    /// The day's first moment.
    pub day: i64,
    /// By which key.
    pub key: Option<String>,
    /// The model.
    pub model: String,
    /// Requests.
    pub requests: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
}

/// Who somebody is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentityView {
    /// Its id.
    pub id: String,
    /// Who vouches.
    pub issuer: String,
    /// Whom they vouch for.
    pub subject: String,
    /// The address the issuer told.
    pub email: Option<String>,
    /// When it was linked.
    pub linked: i64,
}

/// Asks to link an identity to one's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkRequest {
    /// The id of an issuer.
    pub issuer: String,
}

/// Where to go on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkAnswer {
    /// The issuer's page, to be opened in this browser within ten minutes.
    pub location: String,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditView {
    /// Its place in the log.
    pub sequence: i64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The account that did it; none: the server itself.
    pub by: Option<String>,
    /// What: `account.create`.
    pub action: String,
    /// On what.
    pub object: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// The request that asked for it.
    pub request: String,
    /// Where it was asked from.
    pub address: String,
    /// More, as JSON: of a refusal perhaps its `reason`.
    pub detail: String,
    /// Its hash, in hexadecimal; covers the hash of the entry before it.
    pub hash: String,
}

/// Everything that is kept of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportAnswer {
    /// The account.
    pub account: AccountView,
    /// Who it is elsewhere.
    pub identities: Vec<IdentityView>,
    /// Its sign-ins.
    pub sign_ins: Vec<SignInView>,
    /// Its keys.
    pub keys: Vec<KeyView>,
    /// What it used.
    pub usage: Vec<UsageView>,
    /// What it did.
    pub audit: Vec<AuditView>,
}
