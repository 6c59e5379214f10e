//! Tasks: work that outlives the process which asked for it.
//!
//! A task runs at least once. Who runs it holds a lease; a lease that is not renewed ends, and
//! someone else runs the task again under the next attempt's number, which fences off the former:
//! its heartbeat, completion and failure are all answered [`Lease::Lost`]. An effect outside the
//! store is made once by using the task's idempotency key there.

use super::{AccountId, Act, Page, Principal, StoreResult, TaskId, Timestamp};
use crate::words::Word;
use async_trait::async_trait;
use std::time::Duration;

/// A task to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its id.
    pub id: TaskId,
    /// What is to be done; chooses the worker's code: `audit.export`.
    pub kind: String,
    /// What it is to be done with, as JSON.
    pub payload: String,
    /// Whose task it is; `None`: the server's own.
    pub account: Option<AccountId>,
    /// Higher goes first among those that are due.
    pub priority: i32,
    /// When it is due.
    pub run_at: Timestamp,
    /// How often it is tried before it is dead.
    pub max_attempts: u32,
    /// Of tasks of one kind with one key, only the first is enqueued while it is kept.
    pub idempotency_key: Option<String>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Waits to be due, to be claimed, or to be tried again.
    Waiting,
    /// Someone runs it.
    Running,
    /// It was done.
    Done,
    /// It failed for the last time; a person may retry it.
    Dead,
    /// It was cancelled.
    Cancelled,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Running,
        Self::Done,
        Self::Dead,
        Self::Cancelled,
    ];

    /// Its name, in rows, answers and commands alike.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.word()
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// How many tasks there are that need somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Those that wait, due or not.
    pub waiting: u64,
    /// Those that somebody runs.
    pub running: u64,
    /// Those that failed for the last time.
    pub dead: u64,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub kind: String,
    /// With what, as JSON.
    pub payload: String,
    /// Whose it is.
    pub account: Option<AccountId>,
    /// Higher goes first.
    pub priority: i32,
    /// When it is due.
    pub run_at: Timestamp,
    /// Where it stands.
    pub state: TaskState,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it may be begun.
    pub max_attempts: u32,
    /// Its key.
    pub idempotency_key: Option<String>,
    /// Who runs it.
    pub worker: Option<String>,
    /// Until when they do, unless they say more.
    pub leased_until: Option<Timestamp>,
    /// Whether it is to end early.
    pub is_cancel_requested: bool,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it reached a state in which it stays.
    pub finished_at: Option<Timestamp>,
}

/// Whether a task was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits now.
    New(TaskId),
    /// One of its kind with its key was there already.
    Existing(TaskId),
}

/// Who wants what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who asks, for people to read.
    pub worker: String,
    /// The kinds they can do.
    pub kinds: Vec<String>,
    /// When they ask.
    pub at: Timestamp,
    /// For how long they have it without a heartbeat.
    pub lease: Duration,
}

/// Whether a lease still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It does: what was asked is done.
    Held,
    /// It does, and the task is to end early: stop and complete or fail it. Only heartbeats
    /// answer this.
    CancelRequested,
    /// It does not: someone else runs the task, or it has ended. Nothing was changed; stop.
    Lost,
}

/// How an attempt went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong; never a secret.
    pub error: String,
    /// When to try again if attempts are left; `None`: never, it is dead now.
    pub retry_at: Option<Timestamp>,
}

/// Which tasks are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Those in this state.
    pub state: Option<TaskState>,
    /// Those of this kind.
    pub kind: Option<String>,
}

/// Acts on tasks. People's acts are audited, workers' are not: the tasks are their record.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Enqueues a task that nothing else in the store causes. One that follows from an act travels
    /// in [`Act::tasks`].
    ///
    /// # Errors
    /// `IdTaken`.
    async fn enqueue_task(&self, task: &NewTask, at: Timestamp) -> StoreResult<Enqueued>;

    /// Takes the due task of the highest priority, of those the earliest due. A task whose lease
    /// has ended is due. No task is given to two. Those begun too often, whose worker died each
    /// time, are dead instead. The answer's `attempts` number this attempt.
    async fn claim_task(&self, claim: &Claim) -> StoreResult<Option<Task>>;

    /// Holds the lease for another `lease` from `at` on.
    async fn heartbeat_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        lease: Duration,
    ) -> StoreResult<Lease>;

    /// The task is done; `follow_ups` are enqueued in the same act. One that was to be cancelled
    /// is cancelled.
    async fn complete_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        follow_ups: &[NewTask],
    ) -> StoreResult<Lease>;

    /// This attempt failed: the task waits to be tried again, or is dead, or cancelled where that
    /// was asked for.
    async fn fail_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        failure: &Failure,
    ) -> StoreResult<Lease>;

    /// Gives a task back that this attempt did not get to do, because its worker stops: it is due
    /// at once, and the attempt is not counted against it.
    async fn release_task(&self, id: TaskId, attempt: u32, at: Timestamp) -> StoreResult<Lease>;

    /// Cancels a waiting task at once; asks a running one to end.
    ///
    /// # Errors
    /// `NotFound`; `WrongState` when it has ended.
    async fn cancel_task(&self, id: TaskId, act: &Act) -> StoreResult<Task>;

    /// Makes a dead or cancelled task wait again, due at once, with all its attempts.
    ///
    /// # Errors
    /// `NotFound`; `WrongState` when it is in another state.
    async fn retry_task(&self, id: TaskId, act: &Act) -> StoreResult<Task>;

    /// One task.
    async fn task(&self, by: Principal, id: TaskId) -> StoreResult<Option<Task>>;

    /// Tasks, latest first.
    async fn tasks(&self, by: Principal, filter: &TaskFilter, page: Page)
    -> StoreResult<Vec<Task>>;

    /// When the next task of these kinds is due, so that a worker knows how long to wait.
    async fn next_task_due(&self, kinds: &[String]) -> StoreResult<Option<Timestamp>>;

    /// How many tasks need somebody.
    async fn count_tasks(&self) -> StoreResult<TaskCounts>;

    /// Forgets tasks that ended before `before`; how many.
    async fn prune_tasks(&self, before: Timestamp) -> StoreResult<u64>;
}
