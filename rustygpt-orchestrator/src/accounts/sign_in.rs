//! Signing in with an e-mail address and a password.

use super::password::Verdict;
use super::{Account, AccountState, Accounts, Email, OneTimeCode, Password, SignedIn, Whence};
use crate::UseCaseError;
use crate::access::AccountId;
use rustygpt_db::store::{CodePurpose, Credentials, Digest, LockPolicy, Outcome, Principal};
use std::time::Duration;

/// After so many wrong guesses an account hears nothing for a while.
const LOCK: LockPolicy = LockPolicy {
    limit: 10,
    window: Duration::from_secs(15 * 60),
    lock: Duration::from_secs(15 * 60),
};
const ACTION: &str = "session.sign_in";

impl Accounts {
    /// Lets somebody in. Whatever is wrong is answered alike and takes as long: an address without
    /// an account, a wrong password, a disabled or a locked account.
    ///
    /// # Errors
    /// [`UseCaseError::SignInRefused`]; [`UseCaseError::SecondFactorRequired`] when the password
    /// is right and `code` must come along.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Password,
        code: Option<&str>,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let email = Email::read(email).ok();
        let known = match &email {
            Some(email) => self.store.credentials_by_email(email.as_str()).await?,
            None => None,
        };
        let stored = known.as_ref().and_then(|known| known.password_hash.clone());
        let verdict = self
            .passwords
            .check(password.clone(), stored.as_deref())
            .await?;
        let Some(known) = known else {
            return self.refuse_uncounted("account:unknown", whence).await;
        };
        let id = known.account.id;
        let now = self.now();
        let is_locked = known.failures.locked_until.is_some_and(|end| now < end);
        if is_locked {
            // Not counted: whoever goes on guessing must not keep the holder out for ever.
            return self
                .refuse_uncounted(&format!("account:{id}"), whence)
                .await;
        }
        if verdict == Verdict::Wrong || known.account.state != AccountState::Active {
            return self.refuse(id, whence).await;
        }
        self.check_second_factor(&known, code, whence).await?;
        if verdict == Verdict::RightButOutdated {
            let old = stored.unwrap_or_default();
            self.hash_anew(id, password, &old).await;
        }
        self.start_session(known.account, whence, ACTION).await
    }

    /// Whether the second factor is right, where there is one.
    pub(super) async fn check_second_factor(
        &self,
        known: &Credentials,
        code: Option<&str>,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        if known.totp_sealed.is_none() {
            return Ok(());
        }
        let Some(code) = code else {
            return Err(UseCaseError::SecondFactorRequired);
        };
        if self.takes_second_factor(known, code, whence).await? {
            return Ok(());
        }
        self.refuse(known.account.id, whence).await.map(|_| ())
    }

    /// Whether a code is the one of the app now, or one of the recovery codes; each is good once.
    pub(super) async fn takes_second_factor(
        &self,
        known: &Credentials,
        code: &str,
        whence: &Whence,
    ) -> Result<bool, UseCaseError> {
        let account = &known.account;
        if let Some(step) = self.step_of_app(account.id, known.totp_sealed.as_deref(), code)? {
            return Ok(self.store.use_totp_step(account.id, step).await?);
        }
        let Some(code) = OneTimeCode::read(code) else {
            return Ok(false);
        };
        let by = Principal::Server;
        let object = format_args!("account:{}", account.id).to_string();
        let act = self.act(by, whence, "account.use_recovery_code", object);
        let digest = Digest(code.digest().to_bytes());
        let purpose = CodePurpose::Recovery;
        let spent = self
            .store
            .spend_code(digest, purpose, Some(account.id), &act)
            .await?;
        Ok(spent.is_some())
    }

    /// Counts a wrong guess at an account.
    async fn refuse(&self, id: AccountId, whence: &Whence) -> Result<SignedIn, UseCaseError> {
        let object = format!("account:{id}");
        let act = self.act(Principal::Server, whence, ACTION, object);
        self.store.record_sign_in_failure(id, LOCK, &act).await?;
        Err(UseCaseError::SignInRefused)
    }

    pub(super) async fn refuse_uncounted(
        &self,
        object: &str,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let act = self.act(Principal::Server, whence, ACTION, object);
        self.store.append_audit(&act, Outcome::Refused).await?;
        Err(UseCaseError::SignInRefused)
    }

    /// Keeps a hash made with today's parameters. Failing to does no harm: it is tried with every
    /// sign-in.
    async fn hash_anew(&self, id: AccountId, password: Password, old: &str) {
        let outcome = match self.passwords.hash(password).await {
            Ok(new) => self.store.rehash_password(id, old, &new).await.map(|_| ()),
            Err(error) => return tracing::warn!(%error, "a password was not hashed anew"),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "a password's new hash was not kept");
        }
    }

    /// Whether `password` is the account's, for acts that ask for it once more.
    pub(super) async fn confirm_password(
        &self,
        by: Principal,
        id: AccountId,
        password: Password,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let known = self.store.credentials(by, id).await?;
        let stored = known
            .as_ref()
            .and_then(|known| known.password_hash.as_deref());
        let locked_until = known.as_ref().and_then(|known| known.failures.locked_until);
        let is_locked = locked_until.is_some_and(|end| self.now() < end);
        match self.passwords.check(password, stored).await? {
            Verdict::Right | Verdict::RightButOutdated if !is_locked => Ok(()),
            _ => {
                let object = format_args!("account:{id}").to_string();
                let act = self.act(by, whence, "account.confirm_password", object);
                self.store.record_sign_in_failure(id, LOCK, &act).await?;
                Err(UseCaseError::invalid(
                    "password",
                    "The password is not right.",
                ))
            }
        }
    }

    /// The account, if it may be signed in to.
    pub(super) async fn active_account(&self, id: AccountId) -> Result<Account, UseCaseError> {
        let account = self.store.account(Principal::Server, id).await?;
        account
            .filter(|account| account.state == AccountState::Active)
            .ok_or(UseCaseError::SignInRefused)
    }
}
