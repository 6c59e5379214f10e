use super::{PostgresStore, json, row};
use crate::store::{
    Act, Audit, AuditEntry, AuditFilter, AuditHead, Outcome, Principal, StoreResult,
};
use crate::words::Word;
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl Audit for PostgresStore {
    async fn append_audit(&self, act: &Act, outcome: Outcome) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.audit_append_v1($1::jsonb, $2)")
                .bind(json::act(act))
                .bind(outcome.word())
        })
        .await?;
        Ok(())
    }

    async fn audit_entries(
        &self,
        by: Principal,
        filter: &AuditFilter,
    ) -> StoreResult<Vec<AuditEntry>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.audit_list_v1($1, $2, $3)")
                    .bind(filter.after)
                    .bind(filter.action_prefix.clone())
                    .bind(i64::from(filter.limit))
            })
            .await?;
        row::all(&rows, row::audit_entry)
    }

    async fn audit_head(&self) -> StoreResult<AuditHead> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.audit_head_v1()")
            })
            .await?;
        row::one(&rows, row::audit_head)
    }

    async fn prune_audit(&self, through: i64, hash: [u8; 32], act: &Act) -> StoreResult<u64> {
        let pruned: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.audit_prune_v2($1, $2, $3::jsonb)")
                    .bind(through)
                    .bind(hash.to_vec())
                    .bind(json::act(act))
            })
            .await?;
        Ok(pruned.unsigned_abs())
    }
}
