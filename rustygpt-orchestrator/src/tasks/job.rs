//! Kinds of work, each with its typed payload.

use crate::UseCaseError;
use futures::future::BoxFuture;
use rustygpt_db::store::{NewTask, StoreError, TaskId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How often work is tried whose kind says nothing of it.
pub(super) const ATTEMPTS: u32 = 8;

/// A kind of work; its value is the payload, kept as JSON.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// What it works with.
    type World: Send + Sync + 'static;
    /// Its name in the queue. Never given to something else: rows outlive programs.
    const KIND: &'static str;
    /// How often it is tried.
    const MAX_ATTEMPTS: u32 = ATTEMPTS;
    /// Higher goes first.
    const PRIORITY: i32 = 0;

    /// Does it, from the beginning, whatever an earlier attempt has done of it.
    fn run(
        self,
        world: Arc<Self::World>,
        run: Run,
    ) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// One attempt at a task.
#[derive(Clone, Debug)]
pub struct Run {
    /// The task.
    pub task: TaskId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Names the effect: the same in every attempt. What is done outside the store is done once for
    /// it.
    pub key: String,
    /// Resolves when it is to end early; who does not is stopped soon after.
    pub ending: CancellationToken,
}

/// Why an attempt did not do it. The text is kept with the task; it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It may be tried again.
    #[error("{0}")]
    Again(String),
    /// It will never work.
    #[error("{0}")]
    Never(String),
    /// It ended because it was told to.
    #[error("it was told to end")]
    Stopped,
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Again(error.to_string())
    }
}

impl From<std::io::Error> for JobError {
    fn from(error: std::io::Error) -> Self {
        Self::Again(error.to_string())
    }
}

/// A task that does `job`, due at `run_at`.
///
/// # Errors
/// A payload that is no JSON.
pub fn new_task<J: Job>(job: &J, id: TaskId, run_at: Timestamp) -> Result<NewTask, UseCaseError> {
    let payload = serde_json::to_string(job);
    Ok(NewTask {
        id,
        kind: J::KIND.to_owned(),
        payload: payload.map_err(|error| UseCaseError::Internal(Box::new(error)))?,
        account: None,
        priority: J::PRIORITY,
        run_at,
        max_attempts: J::MAX_ATTEMPTS,
        idempotency_key: None,
    })
}

type Attempt = BoxFuture<'static, Result<(), JobError>>;
type Handler = Box<dyn Fn(&str, Run) -> Attempt + Send + Sync>;

/// The kinds of work that this server does.
#[derive(Default)]
pub struct Handlers {
    by_kind: BTreeMap<&'static str, Handler>,
}

impl Handlers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of work, and what it works with.
    #[must_use]
    pub fn with<J: Job>(mut self, world: Arc<J::World>) -> Self {
        let handler: Handler = Box::new(move |payload, run| {
            let world = Arc::clone(&world);
            match serde_json::from_str::<J>(payload) {
                Ok(job) => Box::pin(job.run(world, run)),
                Err(error) => {
                    let reason = format!("its payload cannot be read: {error}");
                    Box::pin(std::future::ready(Err(JobError::Never(reason))))
                }
            }
        });
        self.by_kind.insert(J::KIND, handler);
        self
    }

    /// The names of the kinds.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.by_kind.keys().copied()
    }

    /// Begins an attempt.
    pub(super) fn begin(&self, kind: &str, payload: &str, run: Run) -> Attempt {
        match self.by_kind.get(kind) {
            Some(handler) => handler(payload, run),
            // Only these kinds are claimed.
            None => Box::pin(std::future::ready(Err(JobError::Again(format!(
                "this server does not know how to do {kind}"
            ))))),
        }
    }
}
