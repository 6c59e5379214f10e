use super::SqliteStore;
use super::row;
use crate::periods;
use crate::store::{
    AccountId, Holder, Page, Principal, Quota, Spending, StoreResult, Timestamp, Usage, UsageDay,
    UsageReport,
};
use crate::words::{self, Word, saturated, viewer};
use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

impl SqliteStore {
    /// Spends tokens if `may_take` says so of those that remain and those wanted.
    async fn take_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
        may_take: fn(i64, i64) -> bool,
    ) -> StoreResult<Spending> {
        let (kind, id) = words::holder(holder);
        let (start, resets_at) = periods::period(at, quota.period);
        let (limit, tokens) = (saturated(quota.tokens), saturated(tokens));
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "SELECT spent FROM quotas
             WHERE holder_kind = ? AND holder = ? AND period = ? AND period_start = ?",
        )
        .bind(kind)
        .bind(id)
        .bind(quota.period.word())
        .bind(start.0)
        .fetch_optional(&mut *tx)
        .await?;
        let spent: i64 = row.map_or(Ok(0), |row| row.try_get("spent"))?;
        let remaining = limit.saturating_sub(spent).max(0);
        if !may_take(remaining, tokens) {
            return Ok(Spending::Exhausted {
                remaining: remaining.unsigned_abs(),
                resets_at,
            });
        }
        sqlx::query(
            "INSERT INTO quotas VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET spent = excluded.spent",
        )
        .bind(kind)
        .bind(id)
        .bind(quota.period.word())
        .bind(start.0)
        .bind(spent.saturating_add(tokens))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Spending::Granted {
            remaining: remaining.saturating_sub(tokens).max(0).unsigned_abs(),
            resets_at,
        })
    }
}

#[async_trait]
impl Usage for SqliteStore {
    async fn spend_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending> {
        let is_enough = |remaining, tokens| tokens <= remaining;
        self.take_quota(holder, quota, tokens, at, is_enough).await
    }

    async fn draw_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending> {
        let is_any = |remaining, _| remaining > 0;
        self.take_quota(holder, quota, tokens, at, is_any).await
    }

    async fn return_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        spent_at: Timestamp,
    ) -> StoreResult<()> {
        let (kind, id) = words::holder(holder);
        let (start, _) = periods::period(spent_at, quota.period);
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE quotas SET spent = max(0, spent - ?5)
             WHERE holder_kind = ?1 AND holder = ?2 AND period = ?3 AND period_start = ?4",
        )
        .bind(kind)
        .bind(id)
        .bind(quota.period.word())
        .bind(start.0)
        .bind(saturated(tokens))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn record_usage(&self, report: &UsageReport) -> StoreResult<()> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO usage_days
             SELECT ?1, id, ?3, ?4, 1, ?5, ?6, ?7 FROM accounts WHERE id = ?2
             ON CONFLICT DO UPDATE SET
                 requests = requests + 1,
                 prompt_tokens = prompt_tokens + excluded.prompt_tokens,
                 cached_tokens = cached_tokens + excluded.cached_tokens,
                 completion_tokens = completion_tokens + excluded.completion_tokens",
        )
        .bind(periods::day(report.at).0)
        .bind(report.account.0)
        .bind(report.key.map_or(Uuid::nil(), |key| key.0))
        .bind(&report.model)
        .bind(saturated(report.prompt_tokens))
        .bind(saturated(report.cached_tokens))
        .bind(saturated(report.completion_tokens))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn usage_days(
        &self,
        by: Principal,
        account: Option<AccountId>,
        from: Timestamp,
        until: Timestamp,
        page: Page,
    ) -> StoreResult<Vec<UsageDay>> {
        let rows = sqlx::query(
            "SELECT * FROM usage_days
             WHERE day >= ?1 AND day < ?2 AND (?3 IS NULL OR account = ?3)
                 AND (?4 IS NULL OR account = ?4)
             ORDER BY day, account, key, model LIMIT ?5 OFFSET ?6",
        )
        .bind(from.0)
        .bind(until.0)
        .bind(account.map(|id| id.0))
        .bind(viewer(by))
        .bind(page.limit)
        .bind(page.offset)
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::usage_day)
    }

    async fn prune_usage(&self, before: Timestamp) -> StoreResult<u64> {
        let day = periods::day(before).0;
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM quotas WHERE period_start < ?")
            .bind(day)
            .execute(&mut *tx)
            .await?;
        let pruned = sqlx::query("DELETE FROM usage_days WHERE day < ?")
            .bind(day)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(pruned.rows_affected())
    }
}
