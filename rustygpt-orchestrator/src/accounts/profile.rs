//! One's own account: seen, renamed, exported, deleted, its password changed or set anew.

use super::owner::invalid_code;
use super::sign_up::{checked_email, checked_name};
use super::{
    Account, Accounts, Identity, KeptKey, OneTimeCode, Page, Password, Session, SessionId,
    UsageDay, Whence, as_oneself, own_account,
};
use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use rustygpt_db::store::{AuditEntry, AuditFilter, Digest, Principal, Timestamp};

/// Everything that is kept of an account, without its secrets.
#[derive(Clone, Debug)]
pub struct Export {
    /// The account.
    pub account: Account,
    /// Who it is elsewhere.
    pub identities: Vec<Identity>,
    /// Its sign-ins.
    pub sessions: Vec<Session>,
    /// Its keys, without their secrets.
    pub keys: Vec<KeptKey>,
    /// What it used.
    pub usage: Vec<UsageDay>,
    /// What it did.
    pub audit: Vec<AuditEntry>,
}

impl Accounts {
    /// The caller's account.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`] for those who have none.
    pub async fn own(&self, caller: &Caller) -> Result<Account, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::View, Thing::Account(id))?;
        let account = self.store.account(as_oneself(caller)?, id).await?;
        account.ok_or(UseCaseError::NotFound("account"))
    }

    /// Changes what the caller is called.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for what is no name.
    pub async fn rename(
        &self,
        caller: &Caller,
        name: &str,
        whence: &Whence,
    ) -> Result<Account, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Account(id))?;
        let by = as_oneself(caller)?;
        let account = self.store.account(by, id).await?;
        let account = account.ok_or(UseCaseError::NotFound("account"))?;
        let name = checked_name(name, &checked_email(&account.email)?)?;
        let act = self.act(by, whence, "account.rename", format_args!("account:{id}"));
        let (email, is_verified) = (account.email.as_str(), account.is_email_verified);
        Ok(self
            .store
            .change_profile(id, &name, email, is_verified, &act)
            .await?)
    }

    /// Changes the caller's password, and ends every other sign-in.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for a wrong or a weak password.
    pub async fn change_password(
        &self,
        caller: &Caller,
        session: Option<SessionId>,
        current: Password,
        new: String,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        let by = as_oneself(caller)?;
        let account = self.store.account(by, id).await?;
        let account = account.ok_or(UseCaseError::NotFound("account"))?;
        if account.has_password {
            self.confirm_password(by, id, current, whence).await?;
        }
        let new = Password::chosen(new, &account.email)
            .map_err(|weak| UseCaseError::invalid("new_password", weak.to_string()))?;
        let hash = self.passwords.hash(new).await?;
        let act = self.act(
            by,
            whence,
            "account.change_password",
            format_args!("account:{id}"),
        );
        self.store.change_password(id, &hash, session, &act).await?;
        self.recheck().await;
        Ok(())
    }

    /// Sets a new password by a code from an administrator, and ends every sign-in.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for a wrong code or a weak password.
    pub async fn reset_password(
        &self,
        code: &str,
        new: String,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let code = OneTimeCode::read(code).ok_or_else(invalid_code)?;
        let new = Password::chosen(new, "")
            .map_err(|weak| UseCaseError::invalid("new_password", weak.to_string()))?;
        let hash = self.passwords.hash(new).await?;
        let act = self.act(Principal::Server, whence, "account.reset_password", "code");
        let digest = Digest(code.digest().to_bytes());
        self.store.reset_password(digest, &hash, &act).await?;
        self.recheck().await;
        Ok(())
    }

    /// Deletes the caller's account and everything that is its own.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for a wrong password, [`UseCaseError::Conflict`] for the last
    /// administrator.
    pub async fn delete_own(
        &self,
        caller: &Caller,
        password: Password,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        let by = as_oneself(caller)?;
        self.confirm_password(by, id, password, whence).await?;
        let act = self.act(by, whence, "account.delete", format_args!("account:{id}"));
        self.store.delete_account(id, &act).await?;
        self.recheck().await;
        Ok(())
    }

    /// Everything that is kept of the caller's account.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for a key.
    pub async fn export(&self, caller: &Caller, whence: &Whence) -> Result<Export, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::View, Thing::Credentials(id))?;
        let by = as_oneself(caller)?;
        let account = self.store.account(by, id).await?;
        let act = self.act(by, whence, "account.export", format_args!("account:{id}"));
        self.store
            .append_audit(&act, rustygpt_db::store::Outcome::Done)
            .await?;
        Ok(Export {
            account: account.ok_or(UseCaseError::NotFound("account"))?,
            identities: self.store.identities(by, id).await?,
            sessions: self.store.sessions(by, id, self.now()).await?,
            keys: self.store.api_keys(by, id).await?,
            usage: self.all_usage(by, Some(id)).await?,
            audit: self.all_audit(by).await?,
        })
    }

    /// What the caller used since `from`.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn own_usage(
        &self,
        caller: &Caller,
        from: Timestamp,
    ) -> Result<Vec<UsageDay>, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::View, Thing::Account(id))?;
        let until = Timestamp(i64::MAX);
        Ok(self
            .store
            .usage_days(as_oneself(caller)?, Some(id), from, until, Page::WHOLE)
            .await?)
    }

    async fn all_usage(
        &self,
        by: Principal,
        account: Option<crate::access::AccountId>,
    ) -> Result<Vec<UsageDay>, UseCaseError> {
        Ok(self
            .store
            .usage_days(by, account, Timestamp(0), Timestamp(i64::MAX), Page::WHOLE)
            .await?)
    }

    async fn all_audit(&self, by: Principal) -> Result<Vec<AuditEntry>, UseCaseError> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        loop {
            let filter = AuditFilter::next_after(entries.last().map_or(0, |entry| entry.sequence));
            let more = self.store.audit_entries(by, &filter).await?;
            if more.is_empty() {
                return Ok(entries);
            }
            entries.extend(more);
        }
    }
}
