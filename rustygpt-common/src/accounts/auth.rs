//! Ways in and out.

use super::AccountView;
use serde::{Deserialize, Serialize};

/// Asks to become the first administrator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnerRequest {
    /// The code that the server printed on its terminal.
    pub code: String,
    /// An e-mail address.
    pub email: String,
    /// A password of 10 characters or more.
    pub password: String,
    /// What to call them; without one, the address's first part.
    #[serde(default)]
    pub name: String,
}

/// Asks for an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignUpRequest {
    /// An e-mail address.
    pub email: String,
    /// A password of 10 characters or more.
    pub password: String,
    /// What to call them.
    #[serde(default)]
    pub name: String,
    /// An invitation, where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

/// Asks to be let in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInRequest {
    /// The account's e-mail address.
    pub email: String,
    /// Its password.
    pub password: String,
    /// The code of the second factor, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Asks to be let in by the code that `rustygpt open` made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnterRequest {
    /// The code.
    pub code: String,
}

/// Sets a new password by a code from an administrator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResetRequest {
    /// The code.
    pub code: String,
    /// The new password.
    pub new_password: String,
}

/// Somebody is in. A refresh token comes beside it, in a cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedInAnswer {
    /// Who.
    pub account: AccountView,
    /// The sign-in.
    pub sign_in: String,
    /// Goes into `Authorization: Bearer …`; a cookie holds it too.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// For how many seconds the access token holds.
    pub expires_in: u64,
    /// Goes into `x-rustygpt-proof` wherever a cookie is to count.
    pub proof: String,
}

/// A server elsewhere that vouches for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuerView {
    /// Its name in paths.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where a browser begins to sign in by it.
    pub begin: String,
}

/// Lets in who has just proved elsewhere who they are.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FinishRequest {
    /// The code of the second factor, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
