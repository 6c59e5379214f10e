//! [`Worker`]: takes tasks from the queue, runs them, and keeps what became of them.

use super::bell::Bell;
use super::job::{Handlers, JobError, Run};
use super::schedules::{Recurring, fire_due};
use super::statistics::Statistics;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rustygpt_db::backoff::backoff;
use rustygpt_db::store::{
    Claim, Failure, Lease, Schedules, StoreError, StoreResult, Task, Tasks, Timestamp,
};
use rustygpt_utils::clock::Clock;
use rustygpt_utils::random;
use rustygpt_utils::tasks::Tasks as Group;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often what became of a task is told to a store that does not answer. After that its lease
/// ends, and somebody does it again.
const TELLINGS: u32 = 3;
/// Characters of an error that are kept.
const ERROR_CHARACTERS: usize = 500;

/// What the composition root fills.
pub struct WorkerParts {
    /// The queue.
    pub queue: Arc<dyn Tasks>,
    /// What comes by schedule.
    pub schedules: Arc<dyn Schedules>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where attempts run; its cancellation stops the worker.
    pub group: Group,
    /// Wakes the worker.
    pub bell: Bell,
    /// What it can do.
    pub handlers: Handlers,
    /// What comes by schedule as far as this program knows.
    pub recurring: Vec<Recurring>,
    /// Its name, for people.
    pub name: String,
    /// How much, how long.
    pub bounds: WorkerBounds,
}

/// How much a worker does at once, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerBounds {
    /// Tasks at once.
    pub at_once: usize,
    /// How long a task is the worker's without a sign of life; it gives three in that time.
    pub lease: Duration,
    /// How often it looks for what others enqueued.
    pub poll: Duration,
    /// How long an attempt that is told to end may go on.
    pub grace: Duration,
}

impl Default for WorkerBounds {
    fn default() -> Self {
        Self {
            at_once: 4,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            grace: Duration::from_secs(3),
        }
    }
}

/// Runs tasks until its group is told to end.
pub struct Worker {
    parts: WorkerParts,
    kinds: Vec<String>,
    statistics: Arc<Statistics>,
}

/// How an attempt ended.
enum Ended {
    /// By itself.
    Itself(Result<(), JobError>),
    /// The server stops, and it did not get to its end.
    Stopping,
    /// Somebody else has the task.
    Lost,
}

impl Worker {
    /// A worker of these parts, which does nothing yet.
    #[must_use]
    pub fn new(parts: WorkerParts) -> Self {
        Self {
            kinds: parts.handlers.kinds().map(str::to_owned).collect(),
            statistics: Arc::new(Statistics::new(parts.handlers.kinds())),
            parts,
        }
    }

    /// What it has done.
    #[must_use]
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.statistics)
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(self.parts.clock.as_ref())
    }

    /// Runs tasks until the group is told to end; then ends or gives back what it holds.
    pub async fn run(self) {
        let worker = Arc::new(self);
        let bounds = worker.parts.bounds;
        let stopping = worker.parts.group.cancellation();
        let mut running = FuturesUnordered::new();
        let mut are_schedules_kept = false;
        while !stopping.is_cancelled() {
            let wait = worker.fill(&mut running, &mut are_schedules_kept).await;
            let wait = wait.unwrap_or_else(|error| {
                tracing::warn!(%error, "the queue of tasks does not answer");
                bounds.poll
            });
            tokio::select! {
                () = stopping.cancelled() => {}
                () = worker.parts.bell.heard() => {}
                Some(_) = running.next() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        while running.next().await.is_some() {}
    }

    /// Begins tasks until nothing is due or enough are running; how long to wait then.
    async fn fill(
        self: &Arc<Self>,
        running: &mut FuturesUnordered<JoinHandle<()>>,
        are_schedules_kept: &mut bool,
    ) -> StoreResult<Duration> {
        let WorkerParts {
            queue,
            schedules,
            bounds,
            group,
            ..
        } = &self.parts;
        if !*are_schedules_kept {
            for recurring in &self.parts.recurring {
                recurring.keep(schedules.as_ref(), self.now()).await?;
            }
            *are_schedules_kept = true;
        }
        fire_due(schedules.as_ref(), self.now()).await?;
        while running.len() < bounds.at_once && !group.cancellation().is_cancelled() {
            let now = self.now();
            // A look costs no write; a claim would.
            match queue.next_task_due(&self.kinds).await? {
                None => return Ok(bounds.poll),
                Some(due) if due > now => return Ok(due.since(now).min(bounds.poll)),
                Some(_) => {}
            }
            let claim = Claim {
                worker: self.parts.name.clone(),
                kinds: self.kinds.clone(),
                at: now,
                lease: bounds.lease,
            };
            let Some(task) = queue.claim_task(&claim).await? else {
                return Ok(bounds.poll);
            };
            running.push(group.spawn(Arc::clone(self).attend(task)));
        }
        Ok(bounds.poll)
    }

    /// One attempt, from its beginning to what is kept of it.
    async fn attend(self: Arc<Self>, task: Task) {
        let Some(counters) = self.statistics.of(&task.kind) else {
            return;
        };
        counters.claimed.add_one();
        let ended = self.watch(&task).await;
        let lease = match &ended {
            Ended::Lost => Some(Lease::Lost),
            Ended::Stopping => self.release(&task).await,
            Ended::Itself(Ok(())) => self.complete(&task).await,
            Ended::Itself(Err(error)) => self.fail(&task, error).await,
        };
        match (&ended, lease) {
            (_, Some(Lease::Lost)) => counters.lost.add_one(),
            (_, None) => {}
            (Ended::Itself(Ok(())), _) => counters.done.add_one(),
            (Ended::Stopping, _) => counters.released.add_one(),
            (Ended::Itself(Err(error)), _) => {
                counters.failed.add_one();
                if is_last(&task, error) {
                    counters.dead.add_one();
                }
                tracing::warn!(
                    task.id = %task.id, task.kind, task.attempt = task.attempts, %error,
                    "a task failed"
                );
            }
            (Ended::Lost, _) => {}
        }
    }

    /// Runs an attempt and gives signs of life, until it ends or must.
    async fn watch(&self, task: &Task) -> Ended {
        let WorkerParts {
            queue,
            group,
            bounds,
            handlers,
            ..
        } = &self.parts;
        let ending = CancellationToken::new();
        let run = Run {
            task: task.id,
            attempt: task.attempts,
            key: task
                .idempotency_key
                .clone()
                .unwrap_or_else(|| task.id.to_string()),
            ending: ending.clone(),
        };
        // A task of its own, so that a panic in it ends nothing else.
        let mut attempt = group.spawn(handlers.begin(&task.kind, &task.payload, run));
        let stopping = group.cancellation();
        let third = (bounds.lease / 3).max(Duration::from_millis(1));
        let mut beat = tokio::time::interval_at(Instant::now() + third, third);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut patience = std::pin::pin!(tokio::time::sleep(bounds.grace));
        loop {
            tokio::select! {
                ended = &mut attempt => {
                    return match ended {
                        Ok(Err(JobError::Stopped)) if stopping.is_cancelled() => Ended::Stopping,
                        Ok(result) => Ended::Itself(result),
                        Err(_) => Ended::Itself(Err(JobError::Again("it panicked".to_owned()))),
                    };
                }
                () = stopping.cancelled(), if !ending.is_cancelled() => {
                    ending.cancel();
                    patience.as_mut().reset(Instant::now() + bounds.grace);
                }
                () = &mut patience, if ending.is_cancelled() => {
                    attempt.abort();
                    // Until it is truly gone nobody else may begin.
                    drop((&mut attempt).await);
                    return match stopping.is_cancelled() {
                        true => Ended::Stopping,
                        false => Ended::Itself(Err(JobError::Stopped)),
                    };
                }
                _ = beat.tick() => {
                    let at = self.now();
                    match queue.heartbeat_task(task.id, task.attempts, at, bounds.lease).await {
                        Ok(Lease::Held) => {}
                        Ok(Lease::CancelRequested) if ending.is_cancelled() => {}
                        Ok(Lease::CancelRequested) => {
                            ending.cancel();
                            patience.as_mut().reset(Instant::now() + bounds.grace);
                        }
                        Ok(Lease::Lost) => {
                            ending.cancel();
                            attempt.abort();
                            drop((&mut attempt).await);
                            return Ended::Lost;
                        }
                        // The next one may get through before the lease ends.
                        Err(error) => {
                            tracing::warn!(%error, task.id = %task.id, "no sign of life was kept");
                        }
                    }
                }
            }
        }
    }

    async fn complete(&self, task: &Task) -> Option<Lease> {
        let queue = &self.parts.queue;
        self.tell(task, || {
            queue.complete_task(task.id, task.attempts, self.now(), &[])
        })
        .await
    }

    async fn release(&self, task: &Task) -> Option<Lease> {
        let queue = &self.parts.queue;
        self.tell(task, || {
            queue.release_task(task.id, task.attempts, self.now())
        })
        .await
    }

    async fn fail(&self, task: &Task, error: &JobError) -> Option<Lease> {
        let lot = random::bytes::<8>().map_or(0, u64::from_le_bytes);
        let wait = backoff(task.attempts, lot);
        let failure = Failure {
            error: error.to_string().chars().take(ERROR_CHARACTERS).collect(),
            retry_at: match error {
                JobError::Never(_) => None,
                JobError::Again(_) | JobError::Stopped => Some(self.now().plus(wait)),
            },
        };
        let queue = &self.parts.queue;
        self.tell(task, || {
            queue.fail_task(task.id, task.attempts, self.now(), &failure)
        })
        .await
    }

    /// Has the store keep what became of a task; `None` when it does not answer, or refuses.
    async fn tell<F>(&self, task: &Task, act: impl Fn() -> F) -> Option<Lease>
    where
        F: Future<Output = StoreResult<Lease>>,
    {
        for telling in 1..=TELLINGS {
            match act().await {
                Ok(lease) => return Some(lease),
                Err(StoreError::Unavailable { retry_after, .. }) if telling < TELLINGS => {
                    tokio::time::sleep(retry_after.min(self.parts.bounds.poll)).await;
                }
                Err(error) => {
                    tracing::error!(
                        %error, task.id = %task.id,
                        "what became of a task was not kept; it will be done again"
                    );
                    return None;
                }
            }
        }
        None
    }
}

/// Whether a task is given up with this failure.
fn is_last(task: &Task, error: &JobError) -> bool {
    task.attempts >= task.max_attempts || matches!(error, JobError::Never(_))
}
