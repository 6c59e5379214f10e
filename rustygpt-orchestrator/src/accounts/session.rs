//! Sign-ins: begun by a password or a code, kept alive by refresh tokens that are each good once,
//! listed and ended by their holder.

use super::access_token::{self, AccessTokens};
use super::{Account, Accounts, Session, SessionId, Whence, as_admin, as_oneself, own_account};
use crate::UseCaseError;
use crate::access::{AccountId, Action, Caller, Thing, authorize};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustygpt_db::store::{Digest, NewSession, Principal, RefreshRequest, Rotation};
use rustygpt_utils::random;
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a refresh token waits to be used.
const TOKEN_LASTS: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a sign-in lasts at most, however often it is refreshed.
const SIGN_IN_LASTS: Duration = Duration::from_secs(90 * 24 * 3600);
/// Two pages of one browser may refresh at the same moment. A token that comes again within this
/// time is taken for that: it makes no child, and nothing is revoked.
const BURST: Duration = Duration::from_secs(10);
/// Longest name of a program that is kept.
const USER_AGENT_CHARACTERS: usize = 200;

/// Somebody is in. Everything in it but the account is a secret of theirs.
#[derive(Clone)]
pub struct SignedIn {
    /// Who.
    pub account: Account,
    /// The sign-in.
    pub session: SessionId,
    /// Proves it with every request.
    pub access_token: String,
    /// How long that holds.
    pub access_expires_in: Duration,
    /// Gets the next access token, once.
    pub refresh_token: String,
    /// How long that can wait.
    pub refresh_expires_in: Duration,
    /// The second secret that must come in a header with tokens in cookies.
    pub proof: String,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SignedIn")
            .field("account", &self.account.id)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// The second secret of a sign-in: derived, so that it need not be kept.
pub(super) fn proof_of(secrets: &super::RootSecrets, session: SessionId) -> String {
    let tag = secrets
        .current()
        .derive(&format!("rustygpt proof of {session}"));
    URL_SAFE_NO_PAD.encode(tag)
}

/// A refresh token names its sign-in, so that the second secret can be checked before it is spent.
fn new_refresh_token(session: SessionId) -> Result<String, UseCaseError> {
    let secret = URL_SAFE_NO_PAD.encode(random::bytes::<32>()?);
    Ok(format!("{}.{secret}", session.0.simple()))
}

fn session_of(refresh_token: &str) -> Option<SessionId> {
    let (id, _) = refresh_token.split_once('.')?;
    Some(SessionId(id.parse().ok()?))
}

impl Accounts {
    /// Lets somebody in who has proved who they are.
    pub(super) async fn start_session(
        &self,
        account: Account,
        whence: &Whence,
        action: &str,
    ) -> Result<SignedIn, UseCaseError> {
        let id = SessionId(self.new_id()?);
        let refresh_token = new_refresh_token(id)?;
        let by = Principal::Account(account.id);
        let act = self.act(by, whence, action, format_args!("account:{}", account.id));
        let session = NewSession {
            id,
            account: account.id,
            token: Digest::of(&refresh_token),
            token_expires_at: act.at.plus(TOKEN_LASTS),
            address: whence.address.clone(),
            user_agent: whence
                .user_agent
                .chars()
                .filter(|c| !c.is_control())
                .take(USER_AGENT_CHARACTERS)
                .collect(),
            expires_at: act.at.plus(SIGN_IN_LASTS),
        };
        self.store.start_session(&session, &act).await?;
        Ok(self.signed_in(account, id, refresh_token))
    }

    fn signed_in(&self, account: Account, session: SessionId, refresh_token: String) -> SignedIn {
        let now = self.clock.since_epoch();
        let tokens = AccessTokens::new(&self.secrets);
        SignedIn {
            access_token: tokens.issue(&account.id.to_string(), &session.to_string(), now),
            access_expires_in: access_token::LIFETIME,
            proof: proof_of(&self.secrets, session),
            refresh_expires_in: TOKEN_LASTS,
            account,
            session,
            refresh_token,
        }
    }

    /// Exchanges a refresh token for new tokens. A token that was spent before ends its sign-in:
    /// one of the two who hold it stole it.
    ///
    /// # Errors
    /// [`UseCaseError::SignedOut`], or [`UseCaseError::RefreshRaced`] for all of a burst but one.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        proof: &str,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let session = session_of(refresh_token).ok_or(UseCaseError::SignedOut)?;
        let expected = proof_of(&self.secrets, session);
        if !bool::from(proof.as_bytes().ct_eq(expected.as_bytes())) {
            return Err(UseCaseError::SignedOut);
        }
        let child = new_refresh_token(session)?;
        let server = Principal::Server;
        let act = self.act(
            server,
            whence,
            "session.refresh",
            format_args!("session:{session}"),
        );
        let request = RefreshRequest {
            presented: Digest::of(refresh_token),
            child: Digest::of(&child),
            child_expires_at: act.at.plus(TOKEN_LASTS),
            grace: BURST,
        };
        match self.store.refresh_session(&request, &act).await? {
            Rotation::Rotated { session, account } => {
                Ok(self.signed_in(account, session.id, child))
            }
            Rotation::Raced { .. } => Err(UseCaseError::RefreshRaced),
            Rotation::Reused { session, account } => {
                tracing::warn!(
                    account.id = %account,
                    session.id = %session,
                    "a spent refresh token came again; its sign-in is ended"
                );
                self.recheck().await;
                Err(UseCaseError::SignedOut)
            }
            Rotation::Refused => Err(UseCaseError::SignedOut),
        }
    }

    /// Ends the sign-in that a request came with.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for a key, which has none.
    pub async fn sign_out(
        &self,
        caller: &Caller,
        session: Option<SessionId>,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(account))?;
        let session = session.ok_or(UseCaseError::NotFound("sign-in"))?;
        self.revoke(as_oneself(caller)?, session, whence, "session.sign_out")
            .await
    }

    /// The caller's sign-ins, latest first.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn sign_ins(&self, caller: &Caller) -> Result<Vec<Session>, UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::View, Thing::Credentials(account))?;
        Ok(self
            .store
            .sessions(as_oneself(caller)?, account, self.now())
            .await?)
    }

    /// Ends one of the caller's sign-ins.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`], which includes those of others.
    pub async fn end_sign_in(
        &self,
        caller: &Caller,
        session: SessionId,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(account))?;
        self.revoke(as_oneself(caller)?, session, whence, "session.revoke")
            .await
    }

    /// Ends all of the caller's sign-ins but `keep`.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn end_other_sign_ins(
        &self,
        caller: &Caller,
        keep: Option<SessionId>,
        whence: &Whence,
    ) -> Result<u64, UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(account))?;
        self.revoke_all(as_oneself(caller)?, account, keep, whence)
            .await
    }

    /// Ends every sign-in of somebody, as an administrator.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn end_sign_ins_of(
        &self,
        caller: &Caller,
        account: AccountId,
        whence: &Whence,
    ) -> Result<u64, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Credentials(account))?;
        self.revoke_all(as_admin(caller), account, None, whence)
            .await
    }

    async fn revoke(
        &self,
        by: Principal,
        session: SessionId,
        whence: &Whence,
        action: &str,
    ) -> Result<(), UseCaseError> {
        let act = self.act(by, whence, action, format_args!("session:{session}"));
        self.store.revoke_session(session, &act).await?;
        self.recheck().await;
        Ok(())
    }

    async fn revoke_all(
        &self,
        by: Principal,
        account: AccountId,
        keep: Option<SessionId>,
        whence: &Whence,
    ) -> Result<u64, UseCaseError> {
        let act = self.act(
            by,
            whence,
            "session.revoke_all",
            format_args!("account:{account}"),
        );
        let ended = self.store.revoke_sessions(account, keep, &act).await?;
        self.recheck().await;
        Ok(ended)
    }
}
