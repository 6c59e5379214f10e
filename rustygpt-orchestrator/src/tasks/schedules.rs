//! Work that comes again and again.

use super::job::{ATTEMPTS, Job};
use crate::UseCaseError;
use rustygpt_db::recurrence::Recurrence;
use rustygpt_db::store::{
    NewSchedule, NewTask, Schedule, Schedules, StoreResult, TaskId, Timestamp,
};
use rustygpt_utils::ids;

/// Work that comes by schedule, as this program has it. The store keeps when it is due next.
#[derive(Clone, Debug)]
pub struct Recurring {
    name: &'static str,
    pattern: &'static str,
    time_zone: String,
    kind: &'static str,
    payload: String,
    recurrence: Recurrence,
}

impl Recurring {
    /// `job` at the times of a cron pattern of five fields, in the time zone of an IANA name. There
    /// is one schedule of a name.
    ///
    /// # Errors
    /// A pattern or time zone that is none.
    pub fn new<J: Job>(
        name: &'static str,
        pattern: &'static str,
        time_zone: &str,
        job: &J,
    ) -> Result<Self, UseCaseError> {
        let internal =
            |error: Box<dyn std::error::Error + Send + Sync>| UseCaseError::Internal(error);
        Ok(Self {
            name,
            pattern,
            time_zone: time_zone.to_owned(),
            kind: J::KIND,
            payload: serde_json::to_string(job).map_err(|error| internal(error.into()))?,
            recurrence: Recurrence::parse(pattern, time_zone)
                .map_err(|error| internal(error.into()))?,
        })
    }

    /// Has the store keep it. One that is there already stays due when it was.
    pub(super) async fn keep(&self, store: &dyn Schedules, now: Timestamp) -> StoreResult<()> {
        let Ok(next_run_at) = self.recurrence.next(now) else {
            return Ok(());
        };
        let schedule = NewSchedule {
            name: self.name.to_owned(),
            pattern: self.pattern.to_owned(),
            time_zone: self.time_zone.clone(),
            kind: self.kind.to_owned(),
            payload: self.payload.clone(),
            next_run_at,
        };
        store.put_schedule(&schedule).await?;
        Ok(())
    }
}

/// Enqueues the work of every schedule that is due. Of several servers on one store, one does; one
/// that slept through several times does it once.
pub(super) async fn fire_due(store: &dyn Schedules, now: Timestamp) -> StoreResult<()> {
    for schedule in store.due_schedules(now).await? {
        match next(&schedule, now) {
            Ok((next, task)) => {
                let (name, due) = (&schedule.name, schedule.next_run_at);
                store.fire_schedule(name, due, next, &task).await?;
            }
            // A pattern of another version of this program, perhaps; the others go on.
            Err(error) => {
                tracing::error!(schedule.name, %error, "a schedule cannot be read");
            }
        }
    }
    Ok(())
}

/// When a schedule is due after now, and the task it asks for now.
fn next(
    schedule: &Schedule,
    now: Timestamp,
) -> Result<(Timestamp, NewTask), Box<dyn std::error::Error + Send + Sync>> {
    let recurrence = Recurrence::parse(&schedule.pattern, &schedule.time_zone)?;
    let since_epoch = now.since(Timestamp(0));
    let task = NewTask {
        id: TaskId(ids::time_ordered(since_epoch)?),
        kind: schedule.kind.clone(),
        payload: schedule.payload.clone(),
        account: None,
        priority: 0,
        run_at: now,
        max_attempts: ATTEMPTS,
        // Should a home ever fire twice, the task is still one.
        idempotency_key: Some(format!("{} {}", schedule.name, schedule.next_run_at.0)),
    };
    Ok((recurrence.next(now)?, task))
}
