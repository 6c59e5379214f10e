//! Making an account for oneself.

use super::owner::invalid_code;
use super::{Accounts, Email, OneTimeCode, Password, SignUp, SignedIn, Whence};
use crate::UseCaseError;
use crate::access::{AccountId, Role};
use rustygpt_db::store::{Digest, NewAccount, Principal};
use std::fmt;

/// Longest name of a person.
const NAME_CHARACTERS: usize = 100;

/// Somebody who wants an account, as they put it.
pub struct Applicant {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
    /// What to call them; empty: the address's first part.
    pub name: String,
}

impl fmt::Debug for Applicant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Applicant(…)")
    }
}

/// An [`Applicant`] of whom nothing is wrong.
pub(super) struct Checked {
    pub(super) email: Email,
    pub(super) password: Password,
    pub(super) name: String,
}

impl Applicant {
    pub(super) fn check(self) -> Result<Checked, UseCaseError> {
        let email = checked_email(&self.email)?;
        let password = Password::chosen(self.password, email.as_str())
            .map_err(|weak| UseCaseError::invalid("password", weak.to_string()))?;
        let name = checked_name(&self.name, &email)?;
        Ok(Checked {
            email,
            password,
            name,
        })
    }
}

pub(super) fn checked_email(text: &str) -> Result<Email, UseCaseError> {
    Email::read(text).map_err(|error| UseCaseError::invalid("email", error.to_string()))
}

/// A name as it is kept; the address's first part when there is none.
pub(super) fn checked_name(text: &str, email: &Email) -> Result<String, UseCaseError> {
    let name = text.trim();
    if name.chars().any(char::is_control) || name.chars().count() > NAME_CHARACTERS {
        let reason = format!("The name must be one line of at most {NAME_CHARACTERS} characters.");
        return Err(UseCaseError::invalid("name", reason));
    }
    if name.is_empty() {
        let first = email.as_str().split('@').next();
        return Ok(first.unwrap_or_default().to_owned());
    }
    Ok(name.to_owned())
}

impl Accounts {
    /// Makes an account for who asks, where the policy lets them, and lets them in.
    ///
    /// # Errors
    /// [`UseCaseError::SignUpClosed`]; [`UseCaseError::Invalid`] for a wrong address, password or
    /// invitation; [`UseCaseError::Conflict`] for an address that has an account.
    pub async fn sign_up(
        &self,
        applicant: Applicant,
        invitation: Option<&str>,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let invitation = match self.policy().sign_up {
            SignUp::Closed => return Err(UseCaseError::SignUpClosed),
            SignUp::Invite => Some(invitation.ok_or(UseCaseError::SignUpClosed)?),
            SignUp::Open => invitation,
        };
        let invitation = match invitation {
            Some(text) => Some(OneTimeCode::read(text).ok_or_else(invalid_code)?),
            None => None,
        };
        let digest = invitation.map(|code| Digest(code.digest().to_bytes()));
        let applicant = applicant.check()?;
        let account = NewAccount {
            id: AccountId(self.new_id()?),
            email: applicant.email.as_str().to_owned(),
            is_email_verified: false,
            name: applicant.name,
            role: Role::User,
            password_hash: Some(self.passwords.hash(applicant.password).await?),
        };
        let object = format_args!("account:{}", account.id).to_string();
        let act = self.act(Principal::Server, whence, "account.sign_up", object);
        let account = self.store.create_account(&account, digest, &act).await?;
        self.start_session(account, whence, "session.sign_in").await
    }
}
