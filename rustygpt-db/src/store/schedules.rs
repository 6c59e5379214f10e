//! Schedules: tasks that come again and again.

use super::{NewTask, StoreResult, Timestamp};
use async_trait::async_trait;

/// A schedule to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// Its name; there is one schedule of a name.
    pub name: String,
    /// When, as a cron pattern of five fields.
    pub pattern: String,
    /// In which time zone, by its IANA name.
    pub time_zone: String,
    /// What is to be done.
    pub kind: String,
    /// With what, as JSON.
    pub payload: String,
    /// The first time it is due.
    pub next_run_at: Timestamp,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When, as a cron pattern of five fields.
    pub pattern: String,
    /// In which time zone.
    pub time_zone: String,
    /// What is to be done.
    pub kind: String,
    /// With what, as JSON.
    pub payload: String,
    /// When it is due next.
    pub next_run_at: Timestamp,
}

/// Acts on schedules.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Keeps a schedule. One of the same name is replaced; where neither pattern nor time zone
    /// changed, it stays due when it was, so that a restart skips and repeats nothing.
    async fn put_schedule(&self, schedule: &NewSchedule) -> StoreResult<Schedule>;

    /// Removes a schedule; nothing happens when there is none.
    async fn remove_schedule(&self, name: &str) -> StoreResult<()>;

    /// Schedules that are due at `at`, by name.
    async fn due_schedules(&self, at: Timestamp) -> StoreResult<Vec<Schedule>>;

    /// Enqueues `task` and moves the schedule on from `due` to `next`, if it is still at `due`.
    /// Of many who fire it, one does: the answer tells whether it was this one.
    async fn fire_schedule(
        &self,
        name: &str,
        due: Timestamp,
        next: Timestamp,
        task: &NewTask,
    ) -> StoreResult<bool>;
}
