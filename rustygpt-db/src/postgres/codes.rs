use super::{PostgresStore, json, row};
use crate::store::{
    AccountId, Act, CodePurpose, Codes, Digest, NewCode, Principal, SpentCode, StoreResult,
    Timestamp,
};
use crate::words::{Word, is_single};
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl Codes for PostgresStore {
    async fn issue_code(&self, code: &NewCode, act: &Act) -> StoreResult<()> {
        self.call(Principal::Server, || {
            query("SELECT rustygpt.code_issue_v1($1, $2, $3, $4, $5, $6, $7::jsonb)")
                .bind(code.digest.0.to_vec())
                .bind(code.purpose.word())
                .bind(code.account.map(|id| id.0))
                .bind(code.payload.clone())
                .bind(code.expires_at.0)
                .bind(is_single(code.purpose))
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn spend_code(
        &self,
        digest: Digest,
        purpose: CodePurpose,
        account: Option<AccountId>,
        act: &Act,
    ) -> StoreResult<Option<SpentCode>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.code_spend_v1($1, $2, $3, $4::jsonb)")
                    .bind(digest.0.to_vec())
                    .bind(purpose.word())
                    .bind(account.map(|id| id.0))
                    .bind(json::act(act))
            })
            .await?;
        row::optional(rows.first(), row::spent_code)
    }

    async fn prune_codes(&self, at: Timestamp) -> StoreResult<u64> {
        let pruned: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.code_prune_v1($1)").bind(at.0)
            })
            .await?;
        Ok(pruned.unsigned_abs())
    }
}
