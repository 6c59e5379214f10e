use super::SqliteStore;
use super::act::{enqueue, record};
use super::row;
use crate::store::{
    Act, Claim, Conflict, Enqueued, Failure, Lease, NewTask, Outcome, Page, Principal, StoreError,
    StoreResult, Task, TaskCounts, TaskFilter, TaskId, TaskState, Tasks, Timestamp,
};
use crate::words::{Word, viewer};
use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};
use std::time::Duration;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "task" };

async fn find(connection: &mut SqliteConnection, by: Principal, id: TaskId) -> StoreResult<Task> {
    let found = sqlx::query("SELECT * FROM tasks WHERE id = ?1 AND (?2 IS NULL OR account = ?2)")
        .bind(id.0)
        .bind(viewer(by))
        .fetch_optional(connection)
        .await?;
    row::optional(found.as_ref(), row::task)?.ok_or(NOT_FOUND)
}

/// Ends a task that `attempt` runs: cancelled where that was asked for, else `state`.
async fn finish(
    connection: &mut SqliteConnection,
    id: TaskId,
    attempt: u32,
    at: Timestamp,
    state: TaskState,
    error: Option<&str>,
) -> StoreResult<Lease> {
    let finished = sqlx::query(
        "UPDATE tasks SET
             state = CASE WHEN is_cancel_requested THEN 'cancelled' ELSE ?4 END,
             finished_at = ?3, leased_until = NULL, last_error = coalesce(?5, last_error)
         WHERE id = ?1 AND attempts = ?2 AND state = 'running'",
    )
    .bind(id.0)
    .bind(attempt)
    .bind(at.0)
    .bind(state.word())
    .bind(error)
    .execute(connection)
    .await?;
    Ok(held(finished.rows_affected()))
}

fn held(rows: u64) -> Lease {
    if rows == 1 { Lease::Held } else { Lease::Lost }
}

/// The kinds as JSON, which SQLite reads as a table.
fn listed(kinds: &[String]) -> String {
    serde_json::Value::from(kinds).to_string()
}

#[async_trait]
impl Tasks for SqliteStore {
    async fn enqueue_task(&self, task: &NewTask, at: Timestamp) -> StoreResult<Enqueued> {
        let mut tx = self.write().await?;
        let enqueued = enqueue(&mut tx, task, at).await?;
        tx.commit().await?;
        Ok(enqueued)
    }

    async fn claim_task(&self, claim: &Claim) -> StoreResult<Option<Task>> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE tasks SET
                 state = CASE WHEN is_cancel_requested THEN 'cancelled' ELSE 'dead' END,
                 finished_at = ?1, leased_until = NULL,
                 last_error = coalesce(last_error, 'its worker stopped to answer')
             WHERE state = 'running' AND leased_until <= ?1
                 AND (attempts >= max_attempts OR is_cancel_requested)",
        )
        .bind(claim.at.0)
        .execute(&mut *tx)
        .await?;
        let claimed = sqlx::query(
            "UPDATE tasks SET state = 'running', attempts = attempts + 1, worker = ?3,
                 leased_until = ?4
             WHERE id = (
                 SELECT id FROM tasks
                 WHERE kind IN (SELECT value FROM json_each(?1))
                     AND ((state = 'waiting' AND run_at <= ?2)
                         OR (state = 'running' AND leased_until <= ?2))
                 ORDER BY priority DESC, run_at, id LIMIT 1)
             RETURNING *",
        )
        .bind(listed(&claim.kinds))
        .bind(claim.at.0)
        .bind(&claim.worker)
        .bind(claim.at.plus(claim.lease).0)
        .fetch_optional(&mut *tx)
        .await?;
        let task = row::optional(claimed.as_ref(), row::task)?;
        tx.commit().await?;
        Ok(task)
    }

    async fn heartbeat_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        lease: Duration,
    ) -> StoreResult<Lease> {
        let mut tx = self.write().await?;
        let renewed = sqlx::query(
            "UPDATE tasks SET leased_until = ?3
             WHERE id = ?1 AND attempts = ?2 AND state = 'running'
             RETURNING is_cancel_requested",
        )
        .bind(id.0)
        .bind(attempt)
        .bind(at.plus(lease).0)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(match renewed {
            None => Lease::Lost,
            Some(row) if row.try_get::<bool, _>("is_cancel_requested")? => Lease::CancelRequested,
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
        let mut tx = self.write().await?;
        let lease = finish(&mut tx, id, attempt, at, TaskState::Done, None).await?;
        if lease == Lease::Held {
            for task in follow_ups {
                enqueue(&mut tx, task, at).await?;
            }
        }
        tx.commit().await?;
        Ok(lease)
    }

    async fn fail_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        failure: &Failure,
    ) -> StoreResult<Lease> {
        let mut tx = self.write().await?;
        if let Some(retry_at) = failure.retry_at {
            let waiting = sqlx::query(
                "UPDATE tasks SET state = 'waiting', run_at = ?3, last_error = ?4, worker = NULL,
                     leased_until = NULL
                 WHERE id = ?1 AND attempts = ?2 AND state = 'running'
                     AND attempts < max_attempts AND NOT is_cancel_requested",
            )
            .bind(id.0)
            .bind(attempt)
            .bind(retry_at.0)
            .bind(&failure.error)
            .execute(&mut *tx)
            .await?;
            if waiting.rows_affected() == 1 {
                tx.commit().await?;
                return Ok(Lease::Held);
            }
        }
        let error = Some(failure.error.as_str());
        let lease = finish(&mut tx, id, attempt, at, TaskState::Dead, error).await?;
        tx.commit().await?;
        Ok(lease)
    }

    async fn release_task(&self, id: TaskId, attempt: u32, at: Timestamp) -> StoreResult<Lease> {
        let mut tx = self.write().await?;
        let released = sqlx::query(
            "UPDATE tasks SET
                 state = CASE WHEN is_cancel_requested THEN 'cancelled' ELSE 'waiting' END,
                 finished_at = CASE WHEN is_cancel_requested THEN ?3 END,
                 run_at = ?3, max_attempts = max_attempts + 1, worker = NULL, leased_until = NULL
             WHERE id = ?1 AND attempts = ?2 AND state = 'running'",
        )
        .bind(id.0)
        .bind(attempt)
        .bind(at.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(held(released.rows_affected()))
    }

    async fn cancel_task(&self, id: TaskId, act: &Act) -> StoreResult<Task> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        let cancelled = sqlx::query(
            "UPDATE tasks SET
                 is_cancel_requested = 1,
                 finished_at = CASE WHEN state = 'waiting' THEN ?2 END,
                 state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END
             WHERE id = ?1 AND state IN ('waiting', 'running')
             RETURNING *",
        )
        .bind(id.0)
        .bind(act.at.0)
        .fetch_optional(&mut *tx)
        .await?;
        let task = row::optional(cancelled.as_ref(), row::task)?.ok_or(Conflict::WrongState)?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(task)
    }

    async fn retry_task(&self, id: TaskId, act: &Act) -> StoreResult<Task> {
        let mut tx = self.write().await?;
        find(&mut tx, act.by, id).await?;
        // Attempts only ever grow: they fence off whoever ran it before.
        let waiting = sqlx::query(
            "UPDATE tasks SET state = 'waiting', run_at = ?2, max_attempts = attempts + tries,
                 is_cancel_requested = 0, finished_at = NULL, worker = NULL
             WHERE id = ?1 AND state IN ('dead', 'cancelled')
             RETURNING *",
        )
        .bind(id.0)
        .bind(act.at.0)
        .fetch_optional(&mut *tx)
        .await?;
        let task = row::optional(waiting.as_ref(), row::task)?.ok_or(Conflict::WrongState)?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(task)
    }

    async fn task(&self, by: Principal, id: TaskId) -> StoreResult<Option<Task>> {
        let mut connection = self.readers.acquire().await?;
        match find(&mut connection, by, id).await {
            Err(StoreError::NotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn tasks(
        &self,
        by: Principal,
        filter: &TaskFilter,
        page: Page,
    ) -> StoreResult<Vec<Task>> {
        let rows = sqlx::query(
            "SELECT * FROM tasks
             WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR state = ?2)
                 AND (?3 IS NULL OR kind = ?3)
             ORDER BY created_at DESC, id DESC LIMIT ?4 OFFSET ?5",
        )
        .bind(viewer(by))
        .bind(filter.state.map(|state| state.word()))
        .bind(&filter.kind)
        .bind(page.limit)
        .bind(page.offset)
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::task)
    }

    async fn next_task_due(&self, kinds: &[String]) -> StoreResult<Option<Timestamp>> {
        let due = sqlx::query(
            "SELECT min(CASE state WHEN 'waiting' THEN run_at ELSE leased_until END) AS due
             FROM tasks
             WHERE state IN ('waiting', 'running') AND kind IN (SELECT value FROM json_each(?))",
        )
        .bind(listed(kinds))
        .fetch_one(&self.readers)
        .await?;
        Ok(due.try_get::<Option<i64>, _>("due")?.map(Timestamp))
    }

    async fn count_tasks(&self) -> StoreResult<TaskCounts> {
        let counts = sqlx::query(
            "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
                 count(*) FILTER (WHERE state = 'running') AS running,
                 count(*) FILTER (WHERE state = 'dead') AS dead
             FROM tasks",
        )
        .fetch_one(&self.readers)
        .await?;
        row::task_counts(&counts)
    }

    async fn prune_tasks(&self, before: Timestamp) -> StoreResult<u64> {
        let mut tx = self.write().await?;
        let pruned = sqlx::query("DELETE FROM tasks WHERE finished_at < ?")
            .bind(before.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(pruned.rows_affected())
    }
}
