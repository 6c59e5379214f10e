use super::SqliteStore;
use super::act::{record, take_access_away};
use super::codes;
use super::row::{self, account_columns};
use super::sessions::revoke_all;
use crate::faults::taken;
use crate::store::{
    Account, AccountId, AccountState, Accounts, Act, CodePurpose, Conflict, Credentials, Digest,
    LockPolicy, NewAccount, Outcome, Page, Principal, SessionId, SignInFailures, StoreError,
    StoreResult, Timestamp,
};
use crate::words::{Word, viewer};
use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

const NOT_FOUND: StoreError = StoreError::NotFound { what: "account" };

/// The account, if it exists for `by`.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    by: Principal,
    id: AccountId,
) -> StoreResult<Account> {
    let found = sqlx::query(concat!(
        "SELECT ",
        account_columns!(),
        " FROM accounts a WHERE a.id = ?1 AND (?2 IS NULL OR a.id = ?2)"
    ))
    .bind(id.0)
    .bind(viewer(by))
    .fetch_optional(connection)
    .await?;
    row::optional(found.as_ref(), row::account)?.ok_or(NOT_FOUND)
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    account: &NewAccount,
    at: Timestamp,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO accounts (id, email, is_email_verified, name, role, password_hash, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(account.id.0)
    .bind(&account.email)
    .bind(account.is_email_verified)
    .bind(&account.name)
    .bind(account.role.word())
    .bind(&account.password_hash)
    .bind(at.0)
    .execute(connection)
    .await
    .map_err(|error| {
        let conflicts = [
            ("accounts.email", Conflict::EmailTaken),
            ("accounts.id", Conflict::IdTaken),
        ];
        taken(error, &conflicts)
    })?;
    Ok(())
}

/// Refuses to go on when there is no active administrator beside `id`.
pub(super) async fn keep_an_admin(
    connection: &mut SqliteConnection,
    id: AccountId,
) -> StoreResult<()> {
    let other = sqlx::query(
        "SELECT 1 FROM accounts
         WHERE EXISTS (SELECT 1 FROM accounts WHERE id = ?1 AND role = 'admin' AND state = 'active')
             AND NOT EXISTS (SELECT 1 FROM accounts
                 WHERE id <> ?1 AND role = 'admin' AND state = 'active')
         LIMIT 1",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    match other {
        Some(_) => Err(Conflict::LastAdmin.into()),
        None => Ok(()),
    }
}

async fn set_password(
    connection: &mut SqliteConnection,
    id: AccountId,
    password_hash: &str,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE accounts SET password_hash = ?2, failure_count = 0, failures_since = NULL,
             locked_until = NULL
         WHERE id = ?1",
    )
    .bind(id.0)
    .bind(password_hash)
    .execute(connection)
    .await?;
    Ok(())
}

macro_rules! select_credentials {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            account_columns!(),
            ", a.password_hash, a.totp_sealed, a.failure_count, a.locked_until FROM accounts a ",
            "WHERE ",
            $condition
        )
    };
}

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_owner(
        &self,
        account: &NewAccount,
        code: Digest,
        act: &Act,
    ) -> StoreResult<Account> {
        let mut tx = self.write().await?;
        let admin = sqlx::query("SELECT 1 FROM accounts WHERE role = 'admin'")
            .fetch_optional(&mut *tx)
            .await?;
        if admin.is_some() {
            return Err(Conflict::OwnerExists.into());
        }
        codes::spend(&mut tx, code, CodePurpose::Owner, None, act.at)
            .await?
            .ok_or(Conflict::CodeInvalid)?;
        insert(&mut tx, account, act.at).await?;
        let account = find(&mut tx, Principal::Server, account.id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(account)
    }

    async fn create_account(
        &self,
        account: &NewAccount,
        invitation: Option<Digest>,
        act: &Act,
    ) -> StoreResult<Account> {
        let mut tx = self.write().await?;
        if let Some(code) = invitation {
            codes::spend(&mut tx, code, CodePurpose::Invitation, None, act.at)
                .await?
                .ok_or(Conflict::CodeInvalid)?;
        }
        insert(&mut tx, account, act.at).await?;
        let account = find(&mut tx, Principal::Server, account.id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(account)
    }

    async fn account(&self, by: Principal, id: AccountId) -> StoreResult<Option<Account>> {
        let mut connection = self.readers.acquire().await?;
        match find(&mut connection, by, id).await {
            Err(StoreError::NotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn accounts(&self, by: Principal, page: Page) -> StoreResult<Vec<Account>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            account_columns!(),
            " FROM accounts a WHERE ?1 IS NULL OR a.id = ?1
              ORDER BY a.created_at, a.id LIMIT ?2 OFFSET ?3"
        ))
        .bind(viewer(by))
        .bind(page.limit)
        .bind(page.offset)
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::account)
    }

    async fn credentials_by_email(&self, email: &str) -> StoreResult<Option<Credentials>> {
        let found = sqlx::query(select_credentials!("a.email = ?1"))
            .bind(email)
            .fetch_optional(&self.readers)
            .await?;
        row::optional(found.as_ref(), row::credentials)
    }

    async fn credentials(&self, by: Principal, id: AccountId) -> StoreResult<Option<Credentials>> {
        let found = sqlx::query(select_credentials!(
            "a.id = ?1 AND (?2 IS NULL OR a.id = ?2)"
        ))
        .bind(id.0)
        .bind(viewer(by))
        .fetch_optional(&self.readers)
        .await?;
        row::optional(found.as_ref(), row::credentials)
    }

    async fn record_sign_in_failure(
        &self,
        id: AccountId,
        policy: LockPolicy,
        act: &Act,
    ) -> StoreResult<SignInFailures> {
        let mut tx = self.write().await?;
        // Right-hand sides see the row as it was.
        let counted = sqlx::query(
            "UPDATE accounts SET
                 failure_count = CASE WHEN failures_since > ?2 THEN failure_count + 1 ELSE 1 END,
                 failures_since = CASE WHEN failures_since > ?2 THEN failures_since ELSE ?3 END,
                 locked_until = CASE
                     WHEN (CASE WHEN failures_since > ?2 THEN failure_count + 1 ELSE 1 END) >= ?4
                     THEN ?5 ELSE locked_until END
             WHERE id = ?1 AND (?6 IS NULL OR id = ?6)
             RETURNING failure_count, locked_until",
        )
        .bind(id.0)
        .bind(act.at.minus(policy.window).0)
        .bind(act.at.0)
        .bind(policy.limit)
        .bind(act.at.plus(policy.lock).0)
        .bind(viewer(act.by))
        .fetch_optional(&mut *tx)
        .await?;
        let failures = row::optional(counted.as_ref(), row::failures)?.ok_or(NOT_FOUND)?;
        record(&mut tx, act, Outcome::Refused).await?;
        tx.commit().await?;
        Ok(failures)
    }

    async fn change_profile(
        &self,
        id: AccountId,
        name: &str,
        email: &str,
        is_email_verified: bool,
        act: &Act,
    ) -> StoreResult<Account> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        sqlx::query(
            "UPDATE accounts SET name = ?2, email = ?3, is_email_verified = ?4 WHERE id = ?1",
        )
        .bind(id.0)
        .bind(name)
        .bind(email)
        .bind(is_email_verified)
        .execute(&mut *tx)
        .await
        .map_err(|error| taken(error, &[("accounts.email", Conflict::EmailTaken)]))?;
        let account = find(&mut tx, act.by, id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(account)
    }

    async fn change_password(
        &self,
        id: AccountId,
        password_hash: &str,
        keep: Option<SessionId>,
        act: &Act,
    ) -> StoreResult<()> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        set_password(&mut tx, id, password_hash).await?;
        revoke_all(&mut tx, id, keep, act.at).await?;
        take_access_away(&mut tx).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn reset_password(
        &self,
        code: Digest,
        password_hash: &str,
        act: &Act,
    ) -> StoreResult<AccountId> {
        let mut tx = self.write().await?;
        let spent = codes::spend(&mut tx, code, CodePurpose::PasswordReset, None, act.at).await?;
        let id = spent
            .and_then(|spent| spent.account)
            .ok_or(Conflict::CodeInvalid)?;
        set_password(&mut tx, id, password_hash).await?;
        revoke_all(&mut tx, id, None, act.at).await?;
        take_access_away(&mut tx).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(id)
    }

    async fn rehash_password(&self, id: AccountId, old: &str, new: &str) -> StoreResult<bool> {
        let mut tx = self.write().await?;
        let changed = sqlx::query(
            "UPDATE accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
        )
        .bind(id.0)
        .bind(old)
        .bind(new)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    async fn change_totp(
        &self,
        id: AccountId,
        totp_sealed: Option<&[u8]>,
        recovery_codes: &[Digest],
        act: &Act,
    ) -> StoreResult<()> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        sqlx::query("UPDATE accounts SET totp_sealed = ?2, totp_step = NULL WHERE id = ?1")
            .bind(id.0)
            .bind(totp_sealed)
            .execute(&mut *tx)
            .await?;
        codes::replace_recovery(&mut tx, id, recovery_codes).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn use_totp_step(&self, id: AccountId, step: i64) -> StoreResult<bool> {
        let mut tx = self.write().await?;
        let used = sqlx::query(
            "UPDATE accounts SET totp_step = ?2
             WHERE id = ?1 AND (totp_step IS NULL OR totp_step < ?2)",
        )
        .bind(id.0)
        .bind(step)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(used.rows_affected() == 1)
    }

    async fn change_state(
        &self,
        id: AccountId,
        state: AccountState,
        act: &Act,
    ) -> StoreResult<Account> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        if state == AccountState::Disabled {
            keep_an_admin(&mut tx, id).await?;
            revoke_all(&mut tx, id, None, act.at).await?;
        }
        sqlx::query("UPDATE accounts SET state = ?2 WHERE id = ?1")
            .bind(id.0)
            .bind(state.word())
            .execute(&mut *tx)
            .await?;
        take_access_away(&mut tx).await?;
        let account = find(&mut tx, act.by, id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(account)
    }

    async fn delete_account(&self, id: AccountId, act: &Act) -> StoreResult<()> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        keep_an_admin(&mut tx, id).await?;
        sqlx::query(
            "DELETE FROM quotas WHERE (holder_kind = 'account' AND holder = ?1)
                 OR (holder_kind = 'key' AND holder IN (SELECT id FROM api_keys WHERE account = ?1))",
        )
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM accounts WHERE id = ?1")
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        take_access_away(&mut tx).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn count_accounts(&self) -> StoreResult<u64> {
        let counted = sqlx::query("SELECT count(*) AS accounts FROM accounts")
            .fetch_one(&self.readers)
            .await?;
        row::count(&counted, "accounts")
    }

    async fn access_revision(&self) -> StoreResult<i64> {
        let access = sqlx::query("SELECT revision FROM access")
            .fetch_one(&self.readers)
            .await?;
        Ok(access.try_get("revision")?)
    }
}
