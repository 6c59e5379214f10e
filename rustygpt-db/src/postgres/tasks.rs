use super::{PostgresStore, json, row};
use crate::store::{
    Act, Claim, Enqueued, Failure, Lease, NewTask, Page, Principal, StoreResult, Task, TaskCounts,
    TaskFilter, TaskId, Tasks, Timestamp,
};
use crate::words::Word;
use async_trait::async_trait;
use sqlx::{Row, query};
use std::time::Duration;

fn held(is_held: bool) -> Lease {
    if is_held { Lease::Held } else { Lease::Lost }
}

#[async_trait]
impl Tasks for PostgresStore {
    async fn enqueue_task(&self, task: &NewTask, at: Timestamp) -> StoreResult<Enqueued> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.task_enqueue_v1($1::jsonb, $2)")
                    .bind(json::task(task).to_string())
                    .bind(at.0)
            })
            .await?;
        row::one(&rows, |row| {
            let id = TaskId(row.try_get("task_id")?);
            Ok(if row.try_get("is_new")? {
                Enqueued::New(id)
            } else {
                Enqueued::Existing(id)
            })
        })
    }

    async fn claim_task(&self, claim: &Claim) -> StoreResult<Option<Task>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.task_claim_v1($1, $2, $3, $4)")
                    .bind(claim.worker.clone())
                    .bind(claim.kinds.clone())
                    .bind(claim.at.0)
                    .bind(claim.at.plus(claim.lease).0)
            })
            .await?;
        row::optional(rows.first(), row::task)
    }

    async fn heartbeat_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        lease: Duration,
    ) -> StoreResult<Lease> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.task_heartbeat_v1($1, $2, $3)")
                    .bind(id.0)
                    .bind(i64::from(attempt))
                    .bind(at.plus(lease).0)
            })
            .await?;
        Ok(match row::optional(rows.first(), row::task)? {
            None => Lease::Lost,
            Some(task) if task.is_cancel_requested => Lease::CancelRequested,
            Some(_) => Lease::Held,
        })
    }

    async fn complete_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        follow_ups: &[NewTask],
    ) -> StoreResult<Lease> {
        let is_held = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.task_complete_v1($1, $2, $3, $4::jsonb)")
                    .bind(id.0)
                    .bind(i64::from(attempt))
                    .bind(at.0)
                    .bind(json::tasks(follow_ups))
            })
            .await?;
        Ok(held(is_held))
    }

    async fn fail_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        failure: &Failure,
    ) -> StoreResult<Lease> {
        let is_held = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.task_fail_v1($1, $2, $3, $4, $5)")
                    .bind(id.0)
                    .bind(i64::from(attempt))
                    .bind(at.0)
                    .bind(failure.error.clone())
                    .bind(failure.retry_at.map(|at| at.0))
            })
            .await?;
        Ok(held(is_held))
    }

    async fn release_task(&self, id: TaskId, attempt: u32, at: Timestamp) -> StoreResult<Lease> {
        let is_held = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.task_release_v1($1, $2, $3)")
                    .bind(id.0)
                    .bind(i64::from(attempt))
                    .bind(at.0)
            })
            .await?;
        Ok(held(is_held))
    }

    async fn cancel_task(&self, id: TaskId, act: &Act) -> StoreResult<Task> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.task_cancel_v1($1, $2::jsonb)")
                    .bind(id.0)
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::task)
    }

    async fn retry_task(&self, id: TaskId, act: &Act) -> StoreResult<Task> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.task_retry_v1($1, $2::jsonb)")
                    .bind(id.0)
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::task)
    }

    async fn task(&self, by: Principal, id: TaskId) -> StoreResult<Option<Task>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.task_find_v1($1)").bind(id.0)
            })
            .await?;
        row::optional(rows.first(), row::task)
    }

    async fn tasks(
        &self,
        by: Principal,
        filter: &TaskFilter,
        page: Page,
    ) -> StoreResult<Vec<Task>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.task_list_v1($1, $2, $3, $4)")
                    .bind(filter.state.map(|state| state.word()))
                    .bind(filter.kind.clone())
                    .bind(i64::from(page.limit))
                    .bind(i64::from(page.offset))
            })
            .await?;
        row::all(&rows, row::task)
    }

    async fn next_task_due(&self, kinds: &[String]) -> StoreResult<Option<Timestamp>> {
        let due: Option<i64> = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.task_next_due_v1($1)").bind(kinds.to_vec())
            })
            .await?;
        Ok(due.map(Timestamp))
    }

    async fn count_tasks(&self) -> StoreResult<TaskCounts> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.task_count_v1()")
            })
            .await?;
        row::one(&rows, row::task_counts)
    }

    async fn prune_tasks(&self, before: Timestamp) -> StoreResult<u64> {
        let pruned: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.task_prune_v1($1)").bind(before.0)
            })
            .await?;
        Ok(pruned.unsigned_abs())
    }
}
