use super::SqliteStore;
use super::act::enqueue;
use super::row;
use crate::store::{NewSchedule, NewTask, Schedule, Schedules, StoreResult, Timestamp};
use async_trait::async_trait;

#[async_trait]
impl Schedules for SqliteStore {
    async fn put_schedule(&self, schedule: &NewSchedule) -> StoreResult<Schedule> {
        let mut tx = self.write().await?;
        let put = sqlx::query(
            "INSERT INTO schedules VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET
                 next_run_at = CASE
                     WHEN pattern = excluded.pattern AND time_zone = excluded.time_zone
                     THEN next_run_at ELSE excluded.next_run_at END,
                 pattern = excluded.pattern, time_zone = excluded.time_zone,
                 kind = excluded.kind, payload = excluded.payload
             RETURNING *",
        )
        .bind(&schedule.name)
        .bind(&schedule.pattern)
        .bind(&schedule.time_zone)
        .bind(&schedule.kind)
        .bind(&schedule.payload)
        .bind(schedule.next_run_at.0)
        .fetch_one(&mut *tx)
        .await?;
        let schedule = row::schedule(&put)?;
        tx.commit().await?;
        Ok(schedule)
    }

    async fn remove_schedule(&self, name: &str) -> StoreResult<()> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM schedules WHERE name = ?")
            .bind(name)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn due_schedules(&self, at: Timestamp) -> StoreResult<Vec<Schedule>> {
        let rows = sqlx::query("SELECT * FROM schedules WHERE next_run_at <= ? ORDER BY name")
            .bind(at.0)
            .fetch_all(&self.readers)
            .await?;
        row::all(&rows, row::schedule)
    }

    async fn fire_schedule(
        &self,
        name: &str,
        due: Timestamp,
        next: Timestamp,
        task: &NewTask,
    ) -> StoreResult<bool> {
        let mut tx = self.write().await?;
        let moved = sqlx::query(
            "UPDATE schedules SET next_run_at = ?3 WHERE name = ?1 AND next_run_at = ?2",
        )
        .bind(name)
        .bind(due.0)
        .bind(next.0)
        .execute(&mut *tx)
        .await?;
        let is_ours = moved.rows_affected() == 1;
        if is_ours {
            enqueue(&mut tx, task, due).await?;
        }
        tx.commit().await?;
        Ok(is_ours)
    }
}
