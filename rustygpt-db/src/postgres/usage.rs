use super::{PostgresStore, row};
use crate::periods;
use crate::store::{
    AccountId, Holder, Page, Principal, Quota, Spending, StoreResult, Timestamp, Usage, UsageDay,
    UsageReport,
};
use crate::words::{self, Word, saturated};
use async_trait::async_trait;
use sqlx::{Row, query};
use uuid::Uuid;

impl PostgresStore {
    /// Spends tokens by a procedure that says whether they could be had, and what is spent now.
    async fn take_quota(
        &self,
        procedure: &'static str,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending> {
        let (kind, id) = words::holder(holder);
        let (start, resets_at) = periods::period(at, quota.period);
        let limit = saturated(quota.tokens);
        let rows = self
            .call(Principal::Server, || {
                query(procedure)
                    .bind(kind)
                    .bind(id)
                    .bind(quota.period.word())
                    .bind(start.0)
                    .bind(limit)
                    .bind(saturated(tokens))
            })
            .await?;
        row::one(&rows, |row| {
            Ok((row.try_get("is_granted")?, row.try_get("spent_now")?))
        })
        .map(|(is_granted, spent): (bool, i64)| {
            let remaining = limit.saturating_sub(spent).max(0).unsigned_abs();
            if is_granted {
                Spending::Granted {
                    remaining,
                    resets_at,
                }
            } else {
                Spending::Exhausted {
                    remaining,
                    resets_at,
                }
            }
        })
    }
}

#[async_trait]
impl Usage for PostgresStore {
    async fn spend_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending> {
        let procedure = "SELECT * FROM rustygpt.usage_spend_quota_v1($1, $2, $3, $4, $5, $6)";
        self.take_quota(procedure, holder, quota, tokens, at).await
    }

    async fn draw_quota(
        &self,
        holder: Holder,
        quota: Quota,
        tokens: u64,
        at: Timestamp,
    ) -> StoreResult<Spending> {
        let procedure = "SELECT * FROM rustygpt.usage_draw_quota_v1($1, $2, $3, $4, $5, $6)";
        self.take_quota(procedure, holder, quota, tokens, at).await
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
        self.call(Principal::Server, || {
            query("SELECT rustygpt.usage_return_quota_v1($1, $2, $3, $4, $5)")
                .bind(kind)
                .bind(id)
                .bind(quota.period.word())
                .bind(start.0)
                .bind(saturated(tokens))
        })
        .await?;
        Ok(())
    }

    async fn record_usage(&self, report: &UsageReport) -> StoreResult<()> {
        self.call(Principal::Server, || {
            query("SELECT rustygpt.usage_record_v1($1, $2, $3, $4, $5, $6, $7)")
                .bind(periods::day(report.at).0)
                .bind(report.account.0)
                .bind(report.key.map_or(Uuid::nil(), |key| key.0))
                .bind(report.model.clone())
                .bind(saturated(report.prompt_tokens))
                .bind(saturated(report.cached_tokens))
                .bind(saturated(report.completion_tokens))
        })
        .await?;
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
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.usage_list_v2($1, $2, $3, $4, $5)")
                    .bind(account.map(|id| id.0))
                    .bind(from.0)
                    .bind(until.0)
                    .bind(i64::from(page.limit))
                    .bind(i64::from(page.offset))
            })
            .await?;
        row::all(&rows, row::usage_day)
    }

    async fn prune_usage(&self, before: Timestamp) -> StoreResult<u64> {
        let pruned: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.usage_prune_v1($1)").bind(periods::day(before).0)
            })
            .await?;
        Ok(pruned.unsigned_abs())
    }
}
