//! What a request brings becomes a caller.

use super::access_token::{self, AccessTokens};
use super::live::{Facts, Live, LiveId};
use super::session::proof_of;
use super::{AccountState, Accounts, SessionId};
use crate::UseCaseError;
use crate::access::{Caller, KeyDigest, Scopes};
use rustygpt_db::store::{Digest, Principal, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How often it is asked whether somebody took access away on another server, or by the command
/// line.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What a request proves itself with.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// `Authorization: Bearer …`: an API key or an access token.
    Bearer(&'a str),
    /// An access token in a cookie. Cookies go to every port of a host and along with requests of
    /// other pages, so a second secret must come with it, in a header.
    Cookie {
        /// The token.
        token: &'a str,
        /// The second secret.
        proof: Option<&'a str>,
    },
}

/// Somebody who is in.
pub type Authenticated = Arc<Live>;

impl Accounts {
    /// Who presents this; `None` for what opens nothing.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn authenticate(
        &self,
        presented: Presented<'_>,
    ) -> Result<Option<Authenticated>, UseCaseError> {
        let Some(id) = self.credential(presented) else {
            return Ok(None);
        };
        let now = self.now();
        let live = match self.live.find(id, now) {
            Some(live) => Some(live),
            None => self.ask_the_store(id, now).await?,
        };
        if let Some(live) = &live {
            self.note_use(live, now);
        }
        Ok(live)
    }

    /// What is presented, if it has the form of a credential and is signed where it must be.
    fn credential(&self, presented: Presented<'_>) -> Option<LiveId> {
        match presented {
            Presented::Bearer(text) if access_token::looks_like_token(text) => {
                self.session_of(text).map(LiveId::SignIn)
            }
            Presented::Bearer(key) => Some(LiveId::Key(Digest(KeyDigest::of(key).to_bytes()))),
            Presented::Cookie { token, proof } => {
                let session = self.session_of(token)?;
                let expected = proof_of(&self.secrets, session);
                let is_equal = proof?.as_bytes().ct_eq(expected.as_bytes());
                bool::from(is_equal).then_some(LiveId::SignIn(session))
            }
        }
    }

    fn session_of(&self, token: &str) -> Option<SessionId> {
        let tokens = AccessTokens::new(&self.secrets);
        let claims = tokens.read(token, self.clock.since_epoch())?;
        Some(SessionId(claims.sign_in.parse().ok()?))
    }

    async fn ask_the_store(
        &self,
        id: LiveId,
        now: Timestamp,
    ) -> Result<Option<Authenticated>, UseCaseError> {
        let generation = self.live.generation();
        let facts = match id {
            LiveId::Key(digest) => self.facts_of_key(digest, now).await?,
            LiveId::SignIn(session) => self.facts_of_session(session, now).await?,
        };
        Ok(self.live.settle(id, facts, generation))
    }

    async fn facts_of_key(
        &self,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Option<Facts>, UseCaseError> {
        let Some(holder) = self.store.api_key_by_digest(digest).await? else {
            return Ok(None);
        };
        let opens = bool::from(holder.digest.0.ct_eq(&digest.0))
            && holder.key.revoked_at.is_none()
            && holder.key.expires_at.is_none_or(|end| now < end)
            && holder.account.state == AccountState::Active;
        if !opens {
            return Ok(None);
        }
        let scopes = Scopes::of(holder.key.scopes.iter().copied());
        Ok(Some(Facts {
            caller: Caller::program(holder.account.id, holder.account.role, scopes),
            account: holder.account.id,
            session: None,
            expires_at: holder.key.expires_at,
            key: Some(super::KeptKey {
                // Changes with every use, and means nothing here.
                last_used_at: None,
                ..holder.key
            }),
        }))
    }

    async fn facts_of_session(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Facts>, UseCaseError> {
        let server = Principal::Server;
        let Some(session) = self.store.live_session(server, id, now).await? else {
            return Ok(None);
        };
        let Some(account) = self.store.account(server, session.account).await? else {
            return Ok(None);
        };
        if account.state != AccountState::Active {
            return Ok(None);
        }
        Ok(Some(Facts {
            caller: Caller::person(account.id, account.role),
            account: account.id,
            key: None,
            session: Some(session.id),
            expires_at: Some(session.expires_at),
        }))
    }

    /// Notes that a key was used, beside the request.
    fn note_use(&self, live: &Live, now: Timestamp) {
        let Some(key) = live.key() else { return };
        if !live.is_to_be_noted(now) {
            return;
        }
        let store = Arc::clone(&self.store);
        self.tasks.spawn(async move {
            if let Err(error) = store.touch_api_key(key, now).await {
                tracing::warn!(%error, "the use of a key was not noted");
            }
        });
    }

    /// Looks at everybody who is in, after access was taken from somebody: streams of those who may
    /// no longer do what they began end now.
    pub(super) async fn recheck(&self) {
        let now = self.now();
        for id in self.live.distrust() {
            if let Err(error) = self.ask_the_store(id, now).await {
                tracing::warn!(%error, "a sign-in could not be looked at; it is tried again");
                self.live.look_again();
            }
        }
    }

    /// Looks out for what other processes on the same store do, until the server ends: acts that
    /// take access away, and changes of the policy.
    pub async fn watch(self: Arc<Self>) {
        let cancelled = self.tasks.cancellation();
        loop {
            if let Err(error) = self.look_out().await {
                tracing::warn!(%error, "the store does not say who is in");
            }
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(WATCH_EVERY) => {}
            }
        }
    }

    /// One look of [`Self::watch`]. The first must come before anybody is let in.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn look_out(&self) -> Result<(), UseCaseError> {
        let revision = self.store.access_revision().await?;
        if self.live.has_moved(revision) {
            self.recheck().await;
        }
        self.read_policy().await
    }
}
