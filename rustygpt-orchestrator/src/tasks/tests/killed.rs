//! Two hundred jobs and eight workers that are killed wherever they write, and in between.

use super::*;
use rustygpt_db::store::{
    Claim, Failure, Lease, NewSchedule, Schedule, Schedules, StoreResult, TaskCounts, Tasks,
};
use rustygpt_utils::clock::SystemClock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio_util::sync::CancellationToken;

const JOBS: usize = 200;
const WORKERS: u64 = 8;
const LEASE: Duration = Duration::from_millis(30);

/// Where a worker can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    BeforeClaim,
    AfterClaim,
    BeforeEffect,
    AfterEffect,
    BeforeHeartbeat,
    AfterHeartbeat,
    BeforeCompletion,
    AfterCompletion,
}

const STEPS: [Step; 8] = [
    Step::BeforeClaim,
    Step::AfterClaim,
    Step::BeforeEffect,
    Step::AfterEffect,
    Step::BeforeHeartbeat,
    Step::AfterHeartbeat,
    Step::BeforeCompletion,
    Step::AfterCompletion,
];

/// What outlives every worker.
#[derive(Default)]
struct Outside {
    /// How often each key was presented; the first makes the effect.
    effects: Mutex<HashMap<String, usize>>,
    deaths: Mutex<HashMap<Step, usize>>,
    /// Every task is done.
    is_over: CancellationToken,
}

/// One life of a worker. Once dead, nothing it began goes on: as if its process were gone.
struct Life {
    store: Arc<dyn Store>,
    outside: Arc<Outside>,
    is_dead: AtomicBool,
    has_died: Notify,
    lot: AtomicU64,
    heartbeats: Notify,
}

impl Life {
    /// Dies here by lot, for ever; or goes on.
    async fn pass(&self, step: Step) {
        // The numbers of Knuth's MMIX generator.
        let next = |lot: u64| {
            let factor = 6_364_136_223_846_793_005_u64;
            Some(
                lot.wrapping_mul(factor)
                    .wrapping_add(1_442_695_040_888_963_407),
            )
        };
        let lot = self
            .lot
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        let was_dead = self.is_dead.load(Ordering::SeqCst);
        if was_dead || (lot.unwrap() >> 33).is_multiple_of(12) {
            if !self.is_dead.swap(true, Ordering::SeqCst) {
                *self.outside.deaths.lock().unwrap().entry(step).or_default() += 1;
            }
            self.has_died.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Count {
    waits: bool,
}

impl Job for Count {
    type World = Life;
    const KIND: &'static str = "count";
    const MAX_ATTEMPTS: u32 = 1000;

    async fn run(self, life: Arc<Life>, run: Run) -> Result<(), JobError> {
        if self.waits {
            life.heartbeats.notified().await;
        }
        life.pass(Step::BeforeEffect).await;
        *life
            .outside
            .effects
            .lock()
            .unwrap()
            .entry(run.key)
            .or_default() += 1;
        life.pass(Step::AfterEffect).await;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Tasks for Life {
    async fn enqueue_task(&self, task: &NewTask, at: Timestamp) -> StoreResult<Enqueued> {
        self.store.enqueue_task(task, at).await
    }

    async fn claim_task(&self, claim: &Claim) -> StoreResult<Option<Task>> {
        self.pass(Step::BeforeClaim).await;
        let claimed = self.store.claim_task(claim).await;
        self.pass(Step::AfterClaim).await;
        claimed
    }

    async fn heartbeat_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        lease: Duration,
    ) -> StoreResult<Lease> {
        self.pass(Step::BeforeHeartbeat).await;
        let lease = self.store.heartbeat_task(id, attempt, at, lease).await;
        self.pass(Step::AfterHeartbeat).await;
        self.heartbeats.notify_waiters();
        lease
    }

    async fn complete_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        follow_ups: &[NewTask],
    ) -> StoreResult<Lease> {
        self.pass(Step::BeforeCompletion).await;
        let lease = self.store.complete_task(id, attempt, at, follow_ups).await;
        self.pass(Step::AfterCompletion).await;
        lease
    }

    async fn fail_task(
        &self,
        id: TaskId,
        attempt: u32,
        at: Timestamp,
        failure: &Failure,
    ) -> StoreResult<Lease> {
        self.store.fail_task(id, attempt, at, failure).await
    }

    async fn release_task(&self, id: TaskId, attempt: u32, at: Timestamp) -> StoreResult<Lease> {
        self.store.release_task(id, attempt, at).await
    }

    async fn cancel_task(&self, id: TaskId, act: &Act) -> StoreResult<Task> {
        self.store.cancel_task(id, act).await
    }

    async fn retry_task(&self, id: TaskId, act: &Act) -> StoreResult<Task> {
        self.store.retry_task(id, act).await
    }

    async fn task(&self, by: Principal, id: TaskId) -> StoreResult<Option<Task>> {
        self.store.task(by, id).await
    }

    async fn tasks(
        &self,
        by: Principal,
        filter: &TaskFilter,
        page: Page,
    ) -> StoreResult<Vec<Task>> {
        self.store.tasks(by, filter, page).await
    }

    async fn next_task_due(&self, kinds: &[String]) -> StoreResult<Option<Timestamp>> {
        self.store.next_task_due(kinds).await
    }

    async fn count_tasks(&self) -> StoreResult<TaskCounts> {
        self.store.count_tasks().await
    }

    async fn prune_tasks(&self, before: Timestamp) -> StoreResult<u64> {
        self.store.prune_tasks(before).await
    }
}

#[async_trait::async_trait]
impl Schedules for Life {
    async fn put_schedule(&self, schedule: &NewSchedule) -> StoreResult<Schedule> {
        self.store.put_schedule(schedule).await
    }

    async fn remove_schedule(&self, name: &str) -> StoreResult<()> {
        self.store.remove_schedule(name).await
    }

    async fn due_schedules(&self, at: Timestamp) -> StoreResult<Vec<Schedule>> {
        self.store.due_schedules(at).await
    }

    async fn fire_schedule(
        &self,
        name: &str,
        due: Timestamp,
        next: Timestamp,
        task: &NewTask,
    ) -> StoreResult<bool> {
        self.store.fire_schedule(name, due, next, task).await
    }
}

/// Numbers that have nothing to do with each other: the first step of the splitmix64 generator.
fn seed(worker: u64, life: u64) -> u64 {
    let mixed = (worker << 32 | life).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB)
}

/// Lives one life after the other until every task is done.
async fn lives(place: &Place, outside: &Arc<Outside>, worker: u64) {
    let store = place.opened_again().await;
    for life_number in 0.. {
        let life = Arc::new(Life {
            store: Arc::clone(&store),
            outside: Arc::clone(outside),
            is_dead: AtomicBool::new(false),
            has_died: Notify::new(),
            lot: AtomicU64::new(seed(worker, life_number)),
            heartbeats: Notify::new(),
        });
        let handlers = Handlers::new().with::<Count>(Arc::clone(&life));
        let parts = WorkerParts {
            queue: Arc::clone(&life) as _,
            schedules: Arc::clone(&life) as _,
            // Signs of life come in real time, so leases must end in it.
            clock: Arc::new(SystemClock),
            bounds: WorkerBounds {
                at_once: 2,
                lease: LEASE,
                poll: Duration::from_millis(1),
                grace: Duration::from_millis(1),
            },
            ..place.parts(handlers)
        };
        let running = Running::start(parts);
        tokio::select! {
            () = life.has_died.notified() => {
                // Nobody tells it to end: what it holds is held until its leases are over.
            }
            () = outside.is_over.cancelled() => {
                running.group.cancel();
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_outlive_workers_killed_at_every_step() {
    let place = Place::new().await;
    for job in 0..JOBS {
        let id = TaskId(ids::time_ordered(NOON).unwrap());
        let count = Count {
            waits: job % 8 == 0,
        };
        let task = NewTask {
            run_at: Timestamp(0),
            idempotency_key: Some(format!("job {job}")),
            ..new_task(&count, id, place.now()).unwrap()
        };
        place.enqueue_task(&task).await;
    }
    let outside = Arc::new(Outside::default());
    let workers = (0..WORKERS).map(|worker| lives(&place, &outside, worker));
    let kinds = ["count".to_owned()];
    let all_done = async {
        while place.store.next_task_due(&kinds).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        outside.is_over.cancel();
    };
    futures::future::join(futures::future::join_all(workers), all_done).await;
    let tasks = place.tasks().await;
    assert_eq!(tasks.len(), JOBS);
    assert!(tasks.iter().all(|task| task.state == TaskState::Done));
    let effects = outside.effects.lock().unwrap();
    assert_eq!(effects.len(), JOBS, "an effect was lost");
    assert!(
        effects.values().any(|times| *times > 1),
        "nothing was repeated"
    );
    let deaths = outside.deaths.lock().unwrap();
    for step in STEPS {
        assert!(
            deaths.contains_key(&step),
            "nobody died {step:?}: {deaths:?}"
        );
    }
}
