//! The last step: who has proved elsewhere who they are is let in.

use super::flow::secret;
use crate::UseCaseError;
use crate::access::AccountId;
use crate::accounts::{AccountState, Accounts, SignedIn, Timestamp, Whence};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustygpt_db::store::{CodePurpose, Digest, NewCode, Principal};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How long a ticket waits, so that a second factor can be looked up.
const LASTS: Duration = Duration::from_secs(5 * 60);
const LONGEST: usize = 1024;
/// What a ticket is sealed as.
const CONTEXT: &str = "rustygpt ticket of a sign-in elsewhere";
const ACTION: &str = "session.sign_in";

/// What a browser keeps between its return and being let in. The code in it is good once; that it
/// is sealed lets a wrong second factor be told without spending it.
#[derive(Serialize, Deserialize)]
struct Ticket {
    account: Uuid,
    code: String,
    expires_at: i64,
}

impl Accounts {
    /// A ticket for somebody who has proved elsewhere that the account is theirs.
    pub(super) async fn issue_ticket(
        &self,
        account: AccountId,
        whence: &Whence,
    ) -> Result<String, UseCaseError> {
        let object = format_args!("account:{account}").to_string();
        let act = self.act(Principal::Server, whence, "elsewhere.vouched", object);
        let ticket = Ticket {
            account: account.0,
            code: secret()?,
            expires_at: act.at.plus(LASTS).0,
        };
        let code = NewCode {
            digest: Digest::of(&ticket.code),
            purpose: CodePurpose::SecondFactor,
            account: Some(account),
            payload: Vec::new(),
            expires_at: Timestamp(ticket.expires_at),
        };
        self.store.issue_code(&code, &act).await?;
        let plain = serde_json::to_vec(&ticket);
        let plain = plain.map_err(|error| UseCaseError::Internal(Box::new(error)))?;
        Ok(URL_SAFE_NO_PAD.encode(self.secrets.seal(CONTEXT, &plain)?))
    }

    fn open_ticket(&self, text: &str) -> Option<Ticket> {
        if text.len() > LONGEST {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&self.secrets.open(CONTEXT, &sealed)?).ok()
    }

    /// Lets in who comes with a ticket of [`come_back`](Self::come_back), once, and with their
    /// second factor where the account has one.
    ///
    /// # Errors
    /// [`UseCaseError::SignInLost`] for a ticket that is none, was used or is too old;
    /// [`UseCaseError::SecondFactorRequired`]; [`UseCaseError::SignInRefused`] for a wrong second
    /// factor, or an account that may not be used.
    pub async fn finish(
        &self,
        ticket: &str,
        code: Option<&str>,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let now = self.now();
        let ticket = self.open_ticket(ticket);
        let ticket = ticket.filter(|ticket| now < Timestamp(ticket.expires_at));
        let ticket = ticket.ok_or(UseCaseError::SignInLost)?;
        let id = AccountId(ticket.account);
        let known = self.store.credentials(Principal::Server, id).await?;
        let known = known.ok_or(UseCaseError::SignInLost)?;
        let is_locked = known.failures.locked_until.is_some_and(|end| now < end);
        // Only guesses at the second factor can be too many here.
        let is_kept_out = known.totp_sealed.is_some() && is_locked;
        if known.account.state != AccountState::Active || is_kept_out {
            return self
                .refuse_uncounted(&format!("account:{id}"), whence)
                .await;
        }
        self.check_second_factor(&known, code, whence).await?;
        let act = self.act(
            Principal::Server,
            whence,
            "elsewhere.finish",
            format_args!("account:{id}"),
        );
        let (digest, purpose) = (Digest::of(&ticket.code), CodePurpose::SecondFactor);
        let spent = self
            .store
            .spend_code(digest, purpose, Some(id), &act)
            .await?;
        if spent.is_none() {
            return Err(UseCaseError::SignInLost);
        }
        self.start_session(known.account, whence, ACTION).await
    }
}
