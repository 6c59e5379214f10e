use super::{PostgresStore, json, row};
use crate::store::{NewSchedule, NewTask, Principal, Schedule, Schedules, StoreResult, Timestamp};
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl Schedules for PostgresStore {
    async fn put_schedule(&self, schedule: &NewSchedule) -> StoreResult<Schedule> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.schedule_put_v1($1, $2, $3, $4, $5, $6)")
                    .bind(schedule.name.clone())
                    .bind(schedule.pattern.clone())
                    .bind(schedule.time_zone.clone())
                    .bind(schedule.kind.clone())
                    .bind(schedule.payload.clone())
                    .bind(schedule.next_run_at.0)
            })
            .await?;
        row::one(&rows, row::schedule)
    }

    async fn remove_schedule(&self, name: &str) -> StoreResult<()> {
        self.call(Principal::Server, || {
            query("SELECT rustygpt.schedule_remove_v1($1)").bind(name.to_owned())
        })
        .await?;
        Ok(())
    }

    async fn due_schedules(&self, at: Timestamp) -> StoreResult<Vec<Schedule>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.schedule_list_due_v1($1)").bind(at.0)
            })
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
        self.call_value(Principal::Server, || {
            query("SELECT rustygpt.schedule_fire_v1($1, $2, $3, $4::jsonb)")
                .bind(name.to_owned())
                .bind(due.0)
                .bind(next.0)
                .bind(json::task(task).to_string())
        })
        .await
    }
}
