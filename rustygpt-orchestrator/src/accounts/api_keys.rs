//! API keys: made, listed and revoked by the person they belong to, or by an administrator.

use super::{Accounts, ApiKeyId, KeptKey, Quota, Whence, as_admin, as_oneself, own_account};
use crate::UseCaseError;
use crate::access::{AccountId, Action, ApiKey, Caller, Scope, Thing, authorize};
use rustygpt_db::store::{Digest, NewApiKey, Principal, Timestamp};
use std::fmt;

/// Keys of one account that are not revoked.
const MOST_KEYS: usize = 100;
const NAME_CHARACTERS: usize = 100;

/// A key that somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyWish {
    /// What to call it.
    pub name: String,
    /// What it is to be good for.
    pub scopes: Vec<Scope>,
    /// When it is to stop opening.
    pub expires_at: Option<Timestamp>,
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per period.
    pub quota: Option<Quota>,
}

/// A key that was just made: its secret is shown now and never again.
pub struct ShownKey {
    /// What is kept of it.
    pub kept: KeptKey,
    /// The key itself.
    pub secret: ApiKey,
}

impl fmt::Debug for ShownKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ShownKey({})", self.kept.id)
    }
}

impl Accounts {
    /// Makes a key for the caller.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for a key, which cannot make another; [`UseCaseError::Invalid`].
    pub async fn create_key(
        &self,
        caller: &Caller,
        wish: KeyWish,
        whence: &Whence,
    ) -> Result<ShownKey, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        self.make_key(as_oneself(caller)?, id, wish, whence).await
    }

    /// Makes a key for somebody, as an administrator.
    ///
    /// # Errors
    /// As [`Self::create_key`], and [`UseCaseError::NotFound`].
    pub async fn create_key_for(
        &self,
        caller: &Caller,
        account: AccountId,
        wish: KeyWish,
        whence: &Whence,
    ) -> Result<ShownKey, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Credentials(account))?;
        self.make_key(as_admin(caller), account, wish, whence).await
    }

    /// The caller's keys, latest first.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<KeptKey>, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::View, Thing::Credentials(id))?;
        Ok(self.store.api_keys(as_oneself(caller)?, id).await?)
    }

    /// Somebody's keys, as an administrator sees them.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn keys_of(
        &self,
        caller: &Caller,
        account: AccountId,
    ) -> Result<Vec<KeptKey>, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Credentials(account))?;
        Ok(self.store.api_keys(as_admin(caller), account).await?)
    }

    /// Revokes one of the caller's keys; whatever it began ends.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`], which includes those of others.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        key: ApiKeyId,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        self.take_key(as_oneself(caller)?, key, whence).await
    }

    /// Revokes anybody's key, as an administrator.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`].
    pub async fn revoke_any_key(
        &self,
        caller: &Caller,
        key: ApiKeyId,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Accounts)?;
        self.take_key(as_admin(caller), key, whence).await
    }

    async fn make_key(
        &self,
        by: Principal,
        account: AccountId,
        wish: KeyWish,
        whence: &Whence,
    ) -> Result<ShownKey, UseCaseError> {
        let wish = check(wish, self.now())?;
        if self.store.account(by, account).await?.is_none() {
            return Err(UseCaseError::NotFound("account"));
        }
        let held = self.store.api_keys(by, account).await?;
        if held.iter().filter(|key| key.revoked_at.is_none()).count() >= MOST_KEYS {
            let reason = format!("An account has at most {MOST_KEYS} keys; revoke one first.");
            return Err(UseCaseError::Conflict(reason));
        }
        let secret = ApiKey::generate()?;
        let key = NewApiKey {
            id: ApiKeyId(self.new_id()?),
            account,
            name: wish.name,
            digest: Digest(secret.digest().to_bytes()),
            hint: secret.hint(),
            scopes: wish.scopes,
            expires_at: wish.expires_at,
            requests_per_minute: wish.requests_per_minute,
            quota: wish.quota,
        };
        let act = self.act(by, whence, "key.create", format_args!("key:{}", key.id));
        let kept = self.store.create_api_key(&key, &act).await?;
        Ok(ShownKey { kept, secret })
    }

    async fn take_key(
        &self,
        by: Principal,
        key: ApiKeyId,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let act = self.act(by, whence, "key.revoke", format_args!("key:{key}"));
        self.store.revoke_api_key(key, &act).await?;
        self.recheck().await;
        Ok(())
    }
}

fn check(mut wish: KeyWish, now: Timestamp) -> Result<KeyWish, UseCaseError> {
    wish.name = wish.name.trim().to_owned();
    if wish.name.chars().any(char::is_control) || wish.name.chars().count() > NAME_CHARACTERS {
        let reason = format!("The name must be one line of at most {NAME_CHARACTERS} characters.");
        return Err(UseCaseError::invalid("name", reason));
    }
    wish.scopes.sort_unstable();
    wish.scopes.dedup();
    if wish.scopes.is_empty() {
        wish.scopes.push(Scope::Inference);
    }
    if wish.expires_at.is_some_and(|end| end <= now) {
        return Err(UseCaseError::invalid("expires_at", "That is over already."));
    }
    if wish.requests_per_minute == Some(0) {
        let reason = "A key needs at least one request per minute.";
        return Err(UseCaseError::invalid("requests_per_minute", reason));
    }
    if wish.quota.is_some_and(|quota| quota.tokens == 0) {
        return Err(UseCaseError::invalid(
            "quota",
            "A quota needs at least one token.",
        ));
    }
    Ok(wish)
}
