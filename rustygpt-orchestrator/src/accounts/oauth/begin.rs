//! Setting out for an issuer.

use super::flow::{Errand, Flow, LASTS, secret};
use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use crate::accounts::owner::invalid_code;
use crate::accounts::{Accounts, OneTimeCode, SessionId, Whence, as_oneself, own_account};
use rustygpt_db::store::{AccountId, CodePurpose, Digest, NewCode, Principal};
use std::fmt;
use std::time::Duration;

/// Somebody sets out for an issuer.
pub struct Departure {
    /// The issuer's page.
    pub location: String,
    /// What the browser keeps to itself, so that nobody else can come back in its place.
    pub browser: String,
    /// Whether another site's page posts the return.
    pub is_posted_back: bool,
    /// How long the return is waited for.
    pub lasts: Duration,
}

impl fmt::Debug for Departure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Departure(…)")
    }
}

impl Accounts {
    /// Sends somebody to an issuer to prove who they are. An invitation comes along where an
    /// account is to be made by one.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`] for an issuer that is none; [`UseCaseError::Invalid`] for what is
    /// no invitation; [`UseCaseError::IssuerUnavailable`].
    pub async fn begin_sign_in_elsewhere(
        &self,
        issuer: &str,
        invitation: Option<&str>,
        whence: &Whence,
    ) -> Result<Departure, UseCaseError> {
        let invitation = match invitation {
            Some(text) => Some(OneTimeCode::read(text).ok_or_else(invalid_code)?),
            None => None,
        };
        let invitation = invitation.map(|code| code.digest().to_bytes());
        let errand = Errand::SignIn { invitation };
        self.begin(Principal::Server, issuer, errand, whence).await
    }

    /// Sends the caller to an issuer, to link who they are there to their account.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for a key; [`UseCaseError::NotFound`] for an issuer that is none;
    /// [`UseCaseError::IssuerUnavailable`].
    pub async fn begin_link(
        &self,
        caller: &Caller,
        session: Option<SessionId>,
        issuer: &str,
        whence: &Whence,
    ) -> Result<Departure, UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(account))?;
        let session = session.ok_or(UseCaseError::NotFound("sign-in"))?.0;
        let account = account.0;
        let errand = Errand::Link { account, session };
        self.begin(as_oneself(caller)?, issuer, errand, whence)
            .await
    }

    async fn begin(
        &self,
        by: Principal,
        issuer: &str,
        errand: Errand,
        whence: &Whence,
    ) -> Result<Departure, UseCaseError> {
        let issuer = self.issuers.find(issuer)?;
        let (state, browser) = (secret()?, secret()?);
        let account = match &errand {
            Errand::SignIn { .. } => None,
            Errand::Link { account, .. } => Some(AccountId(*account)),
        };
        let flow = Flow {
            issuer: issuer.id.clone(),
            browser: Digest::of(&browser).0,
            verifier: secret()?,
            nonce: secret()?,
            errand,
        };
        let location = issuer
            .departure(&state, &flow, self.clock.since_epoch())
            .await?;
        let act = self.issuer_act(by, whence, "elsewhere.begin", &issuer.id);
        let code = NewCode {
            digest: Digest::of(&state),
            purpose: CodePurpose::OauthState,
            account,
            payload: self.seal_flow(&flow)?,
            expires_at: act.at.plus(LASTS),
        };
        self.store.issue_code(&code, &act).await?;
        Ok(Departure {
            location: location.into(),
            browser,
            is_posted_back: issuer.posts_from.is_some(),
            lasts: LASTS,
        })
    }
}
