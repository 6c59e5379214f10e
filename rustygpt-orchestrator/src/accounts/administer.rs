//! What administrators do with other people's accounts, and what they look at.

use super::sign_up::{checked_email, checked_name};
use super::{
    Account, AccountState, Accounts, AuditEntry, AuditFilter, OneTimeCode, Page, Password, Task,
    TaskCounts, TaskFilter, TaskId, Timestamp, UsageDay, Whence, as_admin,
};
use crate::UseCaseError;
use crate::access::{AccountId, Action, Caller, Role, Thing, authorize};
use rustygpt_db::audit_chain::{self, Verified};
use rustygpt_db::store::{CodePurpose, NewAccount, Principal};
use std::fmt;
use std::time::Duration;

/// How long a code for a new password opens.
const RESET_LASTS: Duration = Duration::from_secs(24 * 3600);
/// How long an invitation opens.
const INVITATION_LASTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest part of a list.
const MOST_ROWS: u32 = 1000;

/// An account that an administrator makes for somebody.
pub struct NewMember {
    /// The e-mail address.
    pub email: String,
    /// What to call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their first password; without one they set it by the code that comes back.
    pub password: Option<String>,
}

impl fmt::Debug for NewMember {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NewMember(…)")
    }
}

impl Accounts {
    /// Accounts in the order of their making.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn list(&self, caller: &Caller, page: Page) -> Result<Vec<Account>, UseCaseError> {
        authorize(caller, Action::View, Thing::Accounts)?;
        Ok(self.store.accounts(as_admin(caller), bounded(page)).await?)
    }

    /// Somebody's account.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`], [`UseCaseError::NotFound`].
    pub async fn find(&self, caller: &Caller, id: AccountId) -> Result<Account, UseCaseError> {
        authorize(caller, Action::View, Thing::Accounts)?;
        let account = self.store.account(as_admin(caller), id).await?;
        account.ok_or(UseCaseError::NotFound("account"))
    }

    /// The account of an address, for the command line.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`], [`UseCaseError::NotFound`].
    pub async fn find_by_email(
        &self,
        caller: &Caller,
        email: &str,
    ) -> Result<Account, UseCaseError> {
        authorize(caller, Action::View, Thing::Accounts)?;
        let email = checked_email(email)?;
        let known = self.store.credentials_by_email(email.as_str()).await?;
        known
            .map(|known| known.account)
            .ok_or(UseCaseError::NotFound("account"))
    }

    /// Makes an account for somebody. Without a password, the code with which they set one comes
    /// back too.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`], [`UseCaseError::Conflict`] for an address that has an account.
    pub async fn add(
        &self,
        caller: &Caller,
        member: NewMember,
        whence: &Whence,
    ) -> Result<(Account, Option<OneTimeCode>), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Accounts)?;
        let email = checked_email(&member.email)?;
        let name = checked_name(&member.name, &email)?;
        let password_hash = match member.password {
            None => None,
            Some(text) => {
                let password = Password::chosen(text, email.as_str())
                    .map_err(|weak| UseCaseError::invalid("password", weak.to_string()))?;
                Some(self.passwords.hash(password).await?)
            }
        };
        let needs_code = password_hash.is_none();
        let account = NewAccount {
            id: AccountId(self.new_id()?),
            email: email.as_str().to_owned(),
            is_email_verified: false,
            name,
            role: member.role,
            password_hash,
        };
        let by = as_admin(caller);
        let act = self.act(
            by,
            whence,
            "account.add",
            format_args!("account:{}", account.id),
        );
        let account = self.store.create_account(&account, None, &act).await?;
        let code = if needs_code {
            Some(self.reset_code(by, account.id, whence).await?)
        } else {
            None
        };
        Ok((account, code))
    }

    /// An invitation to make an account.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn invite(
        &self,
        caller: &Caller,
        whence: &Whence,
    ) -> Result<OneTimeCode, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Accounts)?;
        let code = OneTimeCode::generate()?;
        let purpose = CodePurpose::Invitation;
        let by = as_admin(caller);
        let lasts = INVITATION_LASTS;
        self.keep_code_as(by, &code, purpose, None, lasts, "account.invite", whence)
            .await?;
        Ok(code)
    }

    /// Gives somebody a role. What they began and may not do any more ends.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`], [`UseCaseError::Conflict`] for the last administrator.
    pub async fn change_role(
        &self,
        caller: &Caller,
        id: AccountId,
        role: Role,
        whence: &Whence,
    ) -> Result<Account, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Account(id))?;
        let by = as_admin(caller);
        let act = self.act(
            by,
            whence,
            "account.change_role",
            format_args!("account:{id}"),
        );
        let account = self.store.change_role(id, role, &act).await?;
        self.recheck().await;
        Ok(account)
    }

    /// Enables or disables an account. Disabling ends whatever it began.
    ///
    /// # Errors
    /// As [`Self::change_role`].
    pub async fn change_state(
        &self,
        caller: &Caller,
        id: AccountId,
        state: AccountState,
        whence: &Whence,
    ) -> Result<Account, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Account(id))?;
        let action = match state {
            AccountState::Active => "account.enable",
            AccountState::Disabled => "account.disable",
        };
        let act = self.act(
            as_admin(caller),
            whence,
            action,
            format_args!("account:{id}"),
        );
        let account = self.store.change_state(id, state, &act).await?;
        self.recheck().await;
        Ok(account)
    }

    /// A code with which somebody sets a new password.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`].
    pub async fn offer_reset(
        &self,
        caller: &Caller,
        id: AccountId,
        whence: &Whence,
    ) -> Result<OneTimeCode, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Credentials(id))?;
        let by = as_admin(caller);
        if self.store.account(by, id).await?.is_none() {
            return Err(UseCaseError::NotFound("account"));
        }
        self.reset_code(by, id, whence).await
    }

    /// Deletes somebody's account and everything that is its own.
    ///
    /// # Errors
    /// As [`Self::change_role`].
    pub async fn delete(
        &self,
        caller: &Caller,
        id: AccountId,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Account(id))?;
        let by = as_admin(caller);
        let act = self.act(by, whence, "account.delete", format_args!("account:{id}"));
        self.store.delete_account(id, &act).await?;
        self.recheck().await;
        Ok(())
    }

    /// A part of the audit log.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn audit(
        &self,
        caller: &Caller,
        mut filter: AuditFilter,
    ) -> Result<Vec<AuditEntry>, UseCaseError> {
        authorize(caller, Action::View, Thing::Audit)?;
        filter.limit = filter.limit.clamp(1, MOST_ROWS);
        Ok(self.store.audit_entries(as_admin(caller), &filter).await?)
    }

    /// Reads the whole audit log and tells whether anything in it was changed, cut or moved.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn verify_audit(&self, caller: &Caller) -> Result<Verified, UseCaseError> {
        authorize(caller, Action::View, Thing::Audit)?;
        Ok(audit_chain::verify(self.store.as_ref(), None).await?)
    }

    /// What was used in a time, by account, key, model and day; of one account, or of all.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn usage(
        &self,
        caller: &Caller,
        account: Option<AccountId>,
        (from, until): (Timestamp, Timestamp),
        page: Page,
    ) -> Result<Vec<UsageDay>, UseCaseError> {
        authorize(caller, Action::View, Thing::Accounts)?;
        let by = as_admin(caller);
        let days = self
            .store
            .usage_days(by, account, from, until, bounded(page));
        Ok(days.await?)
    }

    /// How many tasks need somebody: the depth of the queue.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn count_tasks(&self, caller: &Caller) -> Result<TaskCounts, UseCaseError> {
        authorize(caller, Action::View, Thing::Status)?;
        Ok(self.store.count_tasks().await?)
    }

    /// Tasks, latest first.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn list_tasks(
        &self,
        caller: &Caller,
        filter: &TaskFilter,
        page: Page,
    ) -> Result<Vec<Task>, UseCaseError> {
        authorize(caller, Action::View, Thing::Tasks)?;
        Ok(self
            .store
            .tasks(as_admin(caller), filter, bounded(page))
            .await?)
    }

    /// One task.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`], [`UseCaseError::NotFound`].
    pub async fn find_task(&self, caller: &Caller, id: TaskId) -> Result<Task, UseCaseError> {
        authorize(caller, Action::View, Thing::Tasks)?;
        let task = self.store.task(as_admin(caller), id).await?;
        task.ok_or(UseCaseError::NotFound("task"))
    }

    /// Has a dead or cancelled task tried again.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`], [`UseCaseError::Conflict`] for one in another state.
    pub async fn retry_task(
        &self,
        caller: &Caller,
        id: TaskId,
        whence: &Whence,
    ) -> Result<Task, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Tasks)?;
        let act = self.act(
            as_admin(caller),
            whence,
            "task.retry",
            format_args!("task:{id}"),
        );
        let task = self.store.retry_task(id, &act).await?;
        self.bell.ring();
        Ok(task)
    }

    /// Cancels a task.
    ///
    /// # Errors
    /// As [`Self::retry_task`].
    pub async fn cancel_task(
        &self,
        caller: &Caller,
        id: TaskId,
        whence: &Whence,
    ) -> Result<Task, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Tasks)?;
        let act = self.act(
            as_admin(caller),
            whence,
            "task.cancel",
            format_args!("task:{id}"),
        );
        Ok(self.store.cancel_task(id, &act).await?)
    }

    async fn reset_code(
        &self,
        by: Principal,
        id: AccountId,
        whence: &Whence,
    ) -> Result<OneTimeCode, UseCaseError> {
        let code = OneTimeCode::generate()?;
        let purpose = CodePurpose::PasswordReset;
        let (account, lasts) = (Some(id), RESET_LASTS);
        self.keep_code_as(
            by,
            &code,
            purpose,
            account,
            lasts,
            "account.offer_reset",
            whence,
        )
        .await?;
        Ok(code)
    }
}

fn bounded(page: Page) -> Page {
    Page {
        limit: page.limit.clamp(1, MOST_ROWS),
        ..page
    }
}
