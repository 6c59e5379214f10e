use super::{PostgresStore, json, row};
use crate::store::{
    Account, AccountId, AccountState, Accounts, Act, Credentials, Digest, LockPolicy, NewAccount,
    Page, Principal, Role, Roles, SessionId, SignInFailures, StoreResult,
};
use crate::words::Word;
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_owner(
        &self,
        account: &NewAccount,
        code: Digest,
        act: &Act,
    ) -> StoreResult<Account> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.account_create_owner_v1($1::jsonb, $2, $3::jsonb)")
                    .bind(json::account(account))
                    .bind(code.0.to_vec())
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::account)
    }

    async fn create_account(
        &self,
        account: &NewAccount,
        invitation: Option<Digest>,
        act: &Act,
    ) -> StoreResult<Account> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.account_create_v1($1::jsonb, $2, $3::jsonb)")
                    .bind(json::account(account))
                    .bind(invitation.map(|code| code.0.to_vec()))
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::account)
    }

    async fn account(&self, by: Principal, id: AccountId) -> StoreResult<Option<Account>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.account_find_v1($1)").bind(id.0)
            })
            .await?;
        row::optional(rows.first(), row::account)
    }

    async fn accounts(&self, by: Principal, page: Page) -> StoreResult<Vec<Account>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.account_list_v1($1, $2)")
                    .bind(i64::from(page.limit))
                    .bind(i64::from(page.offset))
            })
            .await?;
        row::all(&rows, row::account)
    }

    async fn credentials_by_email(&self, email: &str) -> StoreResult<Option<Credentials>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.account_find_credentials_by_email_v1($1)")
                    .bind(email.to_owned())
            })
            .await?;
        row::optional(rows.first(), row::credentials)
    }

    async fn credentials(&self, by: Principal, id: AccountId) -> StoreResult<Option<Credentials>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.account_find_credentials_v1($1)").bind(id.0)
            })
            .await?;
        row::optional(rows.first(), row::credentials)
    }

    async fn record_sign_in_failure(
        &self,
        id: AccountId,
        policy: LockPolicy,
        act: &Act,
    ) -> StoreResult<SignInFailures> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.account_record_failure_v1($1, $2, $3, $4, $5::jsonb)")
                    .bind(id.0)
                    .bind(i64::from(policy.limit))
                    .bind(act.at.minus(policy.window).0)
                    .bind(act.at.plus(policy.lock).0)
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::failures)
    }

    async fn change_profile(
        &self,
        id: AccountId,
        name: &str,
        email: &str,
        is_email_verified: bool,
        act: &Act,
    ) -> StoreResult<Account> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.account_change_profile_v1($1, $2, $3, $4, $5::jsonb)")
                    .bind(id.0)
                    .bind(name.to_owned())
                    .bind(email.to_owned())
                    .bind(is_email_verified)
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::account)
    }

    async fn change_password(
        &self,
        id: AccountId,
        password_hash: &str,
        keep: Option<SessionId>,
        act: &Act,
    ) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.account_change_password_v1($1, $2, $3, $4::jsonb)")
                .bind(id.0)
                .bind(password_hash.to_owned())
                .bind(keep.map(|id| id.0))
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn reset_password(
        &self,
        code: Digest,
        password_hash: &str,
        act: &Act,
    ) -> StoreResult<AccountId> {
        // Whoever holds the code is not known before it is spent.
        let id = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.account_reset_password_v1($1, $2, $3::jsonb)")
                    .bind(code.0.to_vec())
                    .bind(password_hash.to_owned())
                    .bind(json::act(act))
            })
            .await?;
        Ok(AccountId(id))
    }

    async fn rehash_password(&self, id: AccountId, old: &str, new: &str) -> StoreResult<bool> {
        self.call_value(Principal::Server, || {
            query("SELECT rustygpt.account_rehash_password_v1($1, $2, $3)")
                .bind(id.0)
                .bind(old.to_owned())
                .bind(new.to_owned())
        })
        .await
    }

    async fn change_totp(
        &self,
        id: AccountId,
        totp_sealed: Option<&[u8]>,
        recovery_codes: &[Digest],
        act: &Act,
    ) -> StoreResult<()> {
        self.call(act.by, || {
            let codes: Vec<Vec<u8>> = recovery_codes.iter().map(|code| code.0.to_vec()).collect();
            query("SELECT rustygpt.account_change_totp_v1($1, $2, $3, $4::jsonb)")
                .bind(id.0)
                .bind(totp_sealed.map(<[u8]>::to_vec))
                .bind(codes)
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn use_totp_step(&self, id: AccountId, step: i64) -> StoreResult<bool> {
        self.call_value(Principal::Server, || {
            query("SELECT rustygpt.account_use_totp_step_v1($1, $2)")
                .bind(id.0)
                .bind(step)
        })
        .await
    }

    async fn change_state(
        &self,
        id: AccountId,
        state: AccountState,
        act: &Act,
    ) -> StoreResult<Account> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.account_change_state_v1($1, $2, $3::jsonb)")
                    .bind(id.0)
                    .bind(state.word())
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::account)
    }

    async fn delete_account(&self, id: AccountId, act: &Act) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.account_delete_v1($1, $2::jsonb)")
                .bind(id.0)
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn count_accounts(&self) -> StoreResult<u64> {
        let count: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.account_count_v1()")
            })
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn access_revision(&self) -> StoreResult<i64> {
        self.call_value(Principal::Server, || {
            query("SELECT rustygpt.access_revision_v1()")
        })
        .await
    }
}

#[async_trait]
impl Roles for PostgresStore {
    async fn change_role(&self, id: AccountId, role: Role, act: &Act) -> StoreResult<Account> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.account_change_role_v1($1, $2, $3::jsonb)")
                    .bind(id.0)
                    .bind(role.word())
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::account)
    }
}
