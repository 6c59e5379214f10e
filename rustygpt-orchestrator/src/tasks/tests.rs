//! The worker over a real store: a file of SQLite, opened as often as there are processes.

mod kept_in_order;
mod killed;

use super::*;
use rustygpt_db::sqlite::SqliteStore;
use rustygpt_db::store::{
    Act, Enqueued, NewTask, Page, Principal, Store, Task, TaskFilter, TaskId, TaskState, Timestamp,
};
use rustygpt_utils::clock::{Clock, ManualClock};
use rustygpt_utils::ids;
use rustygpt_utils::tasks::Tasks as Group;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;

/// 2026-01-15T12:00:00Z.
const NOON: Duration = Duration::from_secs(1_768_478_400);
const HOUR: Duration = Duration::from_secs(3600);

/// A store of a test's own, and its clock.
struct Place {
    folder: TempDir,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
}

/// A worker that runs.
struct Running {
    group: Group,
    bell: Bell,
    statistics: Arc<Statistics>,
    running: tokio::task::JoinHandle<()>,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rustygpt.db");
        Self {
            store: Arc::new(SqliteStore::open(&path).await.unwrap()),
            folder,
            clock: Arc::new(ManualClock::at(NOON)),
        }
    }

    /// The store as another process has it.
    async fn opened_again(&self) -> Arc<dyn Store> {
        let path = self.folder.path().join("rustygpt.db");
        Arc::new(SqliteStore::open(&path).await.unwrap())
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(self.clock.as_ref())
    }

    fn parts(&self, handlers: Handlers) -> WorkerParts {
        WorkerParts {
            queue: Arc::clone(&self.store) as _,
            schedules: Arc::clone(&self.store) as _,
            clock: Arc::clone(&self.clock) as _,
            group: Group::new(),
            bell: Bell::default(),
            handlers,
            recurring: Vec::new(),
            name: "test".to_owned(),
            bounds: WorkerBounds {
                // Nothing but the bell may wake it.
                poll: HOUR,
                grace: Duration::from_millis(1),
                ..WorkerBounds::default()
            },
        }
    }

    async fn enqueue<J: Job>(&self, job: &J) -> TaskId {
        let id = TaskId(ids::time_ordered(self.clock.since_epoch()).unwrap());
        let task = new_task(job, id, self.now()).unwrap();
        self.enqueue_task(&task).await
    }

    async fn enqueue_task(&self, task: &NewTask) -> TaskId {
        match self.store.enqueue_task(task, self.now()).await.unwrap() {
            Enqueued::New(id) => id,
            Enqueued::Existing(id) => panic!("{id} was there"),
        }
    }

    async fn task(&self, id: TaskId) -> Task {
        let task = self.store.task(Principal::Server, id).await.unwrap();
        task.unwrap()
    }

    async fn tasks(&self) -> Vec<Task> {
        let filter = TaskFilter::default();
        let all = self.store.tasks(Principal::Server, &filter, Page::WHOLE);
        all.await.unwrap()
    }

    /// Waits until a task is in a state; the test runner bounds it.
    async fn until(&self, id: TaskId, state: TaskState) -> Task {
        loop {
            let task = self.task(id).await;
            if task.state == state {
                return task;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Running {
    fn start(parts: WorkerParts) -> Self {
        let (group, bell) = (parts.group.clone(), parts.bell.clone());
        let worker = Worker::new(parts);
        let statistics = worker.statistics();
        let running = group.spawn(worker.run());
        Self {
            group,
            bell,
            statistics,
            running,
        }
    }

    /// Tells it to end, and waits until it has.
    async fn stop(self) {
        self.group.cancel();
        self.running.await.unwrap();
    }

    fn numbers(&self, kind: &str) -> KindStatistics {
        let mut kinds = self.statistics.by_kind();
        kinds.find(|(name, _)| *name == kind).unwrap().1
    }
}

/// What jobs of the tests do.
#[derive(Debug, Serialize, Deserialize)]
enum Chore {
    Succeed,
    Fail,
    GiveUp,
    Panic,
    /// Ends only when it is stopped from outside.
    Hang,
    /// Ends when it is told to, having done what it should.
    EndWhenTold,
}

#[derive(Default)]
struct World {
    begun: AtomicUsize,
    has_begun: Notify,
}

impl World {
    async fn until_begun(&self, times: usize) {
        while self.begun.load(Ordering::SeqCst) < times {
            self.has_begun.notified().await;
        }
    }
}

impl Job for Chore {
    type World = World;
    const KIND: &'static str = "test";
    const MAX_ATTEMPTS: u32 = 3;

    async fn run(self, world: Arc<World>, run: Run) -> Result<(), JobError> {
        world.begun.fetch_add(1, Ordering::SeqCst);
        world.has_begun.notify_one();
        match self {
            Self::Succeed => Ok(()),
            Self::Fail => Err(JobError::Again(format!("failure {}", run.attempt))),
            Self::GiveUp => Err(JobError::Never("hopeless".to_owned())),
            Self::Panic => panic!("a job of a test panics"),
            Self::Hang => std::future::pending().await,
            Self::EndWhenTold => {
                run.ending.cancelled().await;
                Ok(())
            }
        }
    }
}

fn handlers(world: &Arc<World>) -> Handlers {
    Handlers::new().with::<Chore>(Arc::clone(world))
}

#[tokio::test]
async fn what_is_enqueued_here_is_begun_at_the_bell() {
    let place = Place::new().await;
    let world = Arc::new(World::default());
    let worker = Running::start(place.parts(handlers(&world)));
    for turn in 1..=3 {
        let id = place.enqueue(&Chore::Succeed).await;
        worker.bell.ring();
        place.until(id, TaskState::Done).await;
        assert_eq!(world.begun.load(Ordering::SeqCst), turn);
    }
    let done = KindStatistics {
        claimed: 3,
        done: 3,
        ..KindStatistics::default()
    };
    while worker.numbers("test") != done {
        tokio::task::yield_now().await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn what_others_enqueued_is_found_by_looking() {
    let place = Place::new().await;
    let mut parts = place.parts(handlers(&Arc::default()));
    parts.bounds.poll = Duration::from_millis(1);
    let worker = Running::start(parts);
    let id = place.enqueue(&Chore::Succeed).await;
    place.until(id, TaskState::Done).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_failing_task_backs_off_and_dies() {
    let place = Place::new().await;
    let world = Arc::new(World::default());
    let worker = Running::start(place.parts(handlers(&world)));
    let id = place.enqueue(&Chore::Fail).await;
    for (attempt, least) in [(1, 2_500), (2, 5_000)] {
        worker.bell.ring();
        world.until_begun(attempt).await;
        let task = place.until(id, TaskState::Waiting).await;
        let wait = task.run_at.since(place.now());
        let least = Duration::from_millis(least);
        assert!((least..2 * least).contains(&wait), "{wait:?}");
        assert_eq!(task.last_error, Some(format!("failure {attempt}")));
        // Too early it is not begun.
        worker.bell.ring();
        tokio::task::yield_now().await;
        assert_eq!(
            place.task(id).await.attempts,
            u32::try_from(attempt).unwrap()
        );
        place.clock.advance(wait);
    }
    worker.bell.ring();
    let dead = place.until(id, TaskState::Dead).await;
    assert_eq!(
        (dead.attempts, dead.last_error.as_deref()),
        (3, Some("failure 3"))
    );
    let numbers = worker.numbers("test");
    assert_eq!((numbers.claimed, numbers.done), (3, 0));

    let hopeless = place.enqueue(&Chore::GiveUp).await;
    let panics = place.enqueue(&Chore::Panic).await;
    worker.bell.ring();
    let dead = place.until(hopeless, TaskState::Dead).await;
    assert_eq!(
        (dead.attempts, dead.last_error.as_deref()),
        (1, Some("hopeless"))
    );
    loop {
        let task = place.task(panics).await;
        if task.last_error.is_some() {
            assert_eq!(task.last_error.as_deref(), Some("it panicked"));
            assert_eq!(task.state, TaskState::Waiting);
            break;
        }
        tokio::task::yield_now().await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_payload_that_is_none_dies_at_once() {
    let place = Place::new().await;
    let worker = Running::start(place.parts(handlers(&Arc::default())));
    let id = TaskId(ids::time_ordered(NOON).unwrap());
    let mut task = new_task(&Chore::Succeed, id, place.now()).unwrap();
    task.payload = "\"Steal\"".to_owned();
    place.enqueue_task(&task).await;
    worker.bell.ring();
    let dead = place.until(id, TaskState::Dead).await;
    assert!(dead.last_error.unwrap().contains("payload"));
    worker.stop().await;
}

#[tokio::test]
async fn stopping_loses_nothing() {
    let place = Place::new().await;
    let world = Arc::new(World::default());
    let worker = Running::start(place.parts(handlers(&world)));
    let hangs = place.enqueue(&Chore::Hang).await;
    let ends = place.enqueue(&Chore::EndWhenTold).await;
    worker.bell.ring();
    world.until_begun(2).await;
    let statistics = Arc::clone(&worker.statistics);
    worker.stop().await;
    assert_eq!(place.task(ends).await.state, TaskState::Done);
    let given_back = place.task(hangs).await;
    assert_eq!(
        (
            given_back.state,
            given_back.attempts,
            given_back.max_attempts
        ),
        (TaskState::Waiting, 1, 4)
    );
    let (_, numbers) = statistics.by_kind().next().unwrap();
    assert_eq!((numbers.done, numbers.released, numbers.failed), (1, 1, 0));
    // Somebody else begins it at once.
    let other = Running::start(place.parts(handlers(&world)));
    world.until_begun(3).await;
    assert_eq!(place.task(hangs).await.attempts, 2);
    other.stop().await;
}

#[tokio::test]
async fn a_cancelled_task_is_stopped() {
    let place = Place::new().await;
    let world = Arc::new(World::default());
    let mut parts = place.parts(handlers(&world));
    // It hears of it with the next sign of life.
    parts.bounds.lease = Duration::from_millis(3);
    let worker = Running::start(parts);
    for job in [Chore::Hang, Chore::EndWhenTold] {
        let id = place.enqueue(&job).await;
        worker.bell.ring();
        place.until(id, TaskState::Running).await;
        let act = Act::new(Principal::Server, place.now(), "task.cancel", "test");
        place.store.cancel_task(id, &act).await.unwrap();
        let task = place.until(id, TaskState::Cancelled).await;
        assert_eq!(task.attempts, 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn signs_of_life_keep_a_task_that_takes_long() {
    let place = Place::new().await;
    let world = Arc::new(World::default());
    let mut parts = place.parts(handlers(&world));
    parts.bounds.lease = Duration::from_millis(30);
    let worker = Running::start(parts);
    let id = place.enqueue(&Chore::Hang).await;
    worker.bell.ring();
    let mut leased_until = place.until(id, TaskState::Running).await.leased_until;
    for _ in 0..3 {
        place.clock.advance(Duration::from_millis(10));
        loop {
            let now = place.task(id).await.leased_until;
            if now > leased_until {
                leased_until = now;
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(place.task(id).await.attempts, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_schedule_runs_once_however_many_servers_there_are() {
    let place = Place::new().await;
    let world = Arc::new(World::default());
    let mut workers = Vec::new();
    for _ in 0..3 {
        let store = place.opened_again().await;
        let hourly = Recurring::new("hourly", "30 * * * *", "Europe/Berlin", &Chore::Succeed);
        let parts = WorkerParts {
            queue: Arc::clone(&store) as _,
            schedules: store as _,
            recurring: vec![hourly.unwrap()],
            ..place.parts(handlers(&world))
        };
        workers.push(Running::start(parts));
    }
    let ring = || workers.iter().for_each(|worker| worker.bell.ring());
    // The first look keeps the schedules; what is not due is not begun.
    while place
        .store
        .due_schedules(place.now().plus(HOUR))
        .await
        .unwrap()
        .is_empty()
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.tasks().await, []);
    for times in 1..=3 {
        place.clock.advance(HOUR);
        while place.tasks().await.len() < times || place.tasks().await[0].state != TaskState::Done {
            ring();
            tokio::task::yield_now().await;
        }
    }
    // A server that slept through two times does it once.
    place.clock.advance(2 * HOUR);
    while place.tasks().await.len() < 4 {
        ring();
        tokio::task::yield_now().await;
    }
    for worker in workers {
        worker.stop().await;
    }
    let tasks = place.tasks().await;
    assert_eq!(tasks.len(), 4);
    assert_eq!(world.begun.load(Ordering::SeqCst), 4);
}

/// A folder for files of the audit log that is not there yet.
fn files(place: &Place, group: &Group) -> (AuditFiles, PathBuf) {
    let folder = place.folder.path().join("audit");
    (AuditFiles::new(folder.clone(), group.clone()), folder)
}
