use super::{PostgresStore, json, row};
use crate::store::{
    Account, AccountId, Act, Digest, Identities, Identity, NewAccount, Principal, StoreResult,
};
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl Identities for PostgresStore {
    async fn account_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<Account>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.identity_find_account_v1($1, $2)")
                    .bind(issuer.to_owned())
                    .bind(subject.to_owned())
            })
            .await?;
        row::optional(rows.first(), row::account)
    }

    async fn create_account_with_identity(
        &self,
        account: &NewAccount,
        identity: &Identity,
        invitation: Option<Digest>,
        act: &Act,
    ) -> StoreResult<Account> {
        let rows = self
            .call(Principal::Server, || {
                query(
                    "SELECT * FROM rustygpt.identity_create_account_v1(\
                         $1::jsonb, $2::jsonb, $3, $4::jsonb)",
                )
                .bind(json::account(account))
                .bind(json::identity(identity))
                .bind(invitation.map(|code| code.0.to_vec()))
                .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::account)
    }

    async fn link_identity(&self, identity: &Identity, act: &Act) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.identity_link_v1($1::jsonb, $2::jsonb)")
                .bind(json::identity(identity))
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn unlink_identity(
        &self,
        account: AccountId,
        issuer: &str,
        subject: &str,
        act: &Act,
    ) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.identity_unlink_v1($1, $2, $3, $4::jsonb)")
                .bind(account.0)
                .bind(issuer.to_owned())
                .bind(subject.to_owned())
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn identities(&self, by: Principal, account: AccountId) -> StoreResult<Vec<Identity>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.identity_list_v1($1)").bind(account.0)
            })
            .await?;
        row::all(&rows, row::identity)
    }
}
