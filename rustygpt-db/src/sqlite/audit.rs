use super::SqliteStore;
use super::act::record;
use super::row;
use crate::store::{
    Act, Audit, AuditEntry, AuditFilter, AuditHead, Conflict, Outcome, Principal, StoreResult,
};
use crate::words::viewer;
use async_trait::async_trait;

#[async_trait]
impl Audit for SqliteStore {
    async fn append_audit(&self, act: &Act, outcome: Outcome) -> StoreResult<()> {
        let mut tx = self.write().await?;
        record(&mut tx, act, outcome).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn audit_entries(
        &self,
        by: Principal,
        filter: &AuditFilter,
    ) -> StoreResult<Vec<AuditEntry>> {
        let rows = sqlx::query(
            "SELECT * FROM audit
             WHERE sequence > ?1 AND (?2 IS NULL OR by_account = ?2)
                 AND substr(action, 1, length(?3)) = ?3
             ORDER BY sequence LIMIT ?4",
        )
        .bind(filter.after)
        .bind(viewer(by))
        .bind(&filter.action_prefix)
        .bind(filter.limit)
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::audit_entry)
    }

    async fn audit_head(&self) -> StoreResult<AuditHead> {
        let head = sqlx::query("SELECT * FROM audit_head")
            .fetch_one(&self.readers)
            .await?;
        row::audit_head(&head)
    }

    async fn prune_audit(&self, through: i64, hash: [u8; 32], act: &Act) -> StoreResult<u64> {
        let mut tx = self.write().await?;
        let moved = sqlx::query(
            "UPDATE audit_head SET pruned = ?1, pruned_hash = ?2
             WHERE EXISTS (SELECT 1 FROM audit WHERE sequence = ?1 AND hash = ?2)",
        )
        .bind(through)
        .bind(hash.as_slice())
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 {
            return Err(Conflict::Stale.into());
        }
        let pruned = sqlx::query("DELETE FROM audit WHERE sequence <= ?")
            .bind(through)
            .execute(&mut *tx)
            .await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(pruned.rows_affected())
    }
}
