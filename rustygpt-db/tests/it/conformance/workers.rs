//! Two hundred jobs and eight workers that die at every step.

use super::tasks::{claim, new_task};
use super::{Home, NOW, id};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rustygpt_db::store::{
    Lease, NewTask, Page, Principal, Store, TaskFilter, TaskId, TaskState, Timestamp,
};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

const JOBS: usize = 200;
const WORKERS: u64 = 8;
const LEASE: i64 = 60_000;

/// A world outside the store that honours idempotency keys.
#[derive(Default)]
struct World {
    effects: Mutex<HashMap<String, usize>>,
    deaths: [AtomicUsize; 5],
}

impl World {
    /// How often each key was presented. The effect itself is made by the first.
    fn take_effect(&self, key: &str) {
        let mut effects = self.effects.lock().unwrap();
        *effects.entry(key.to_owned()).or_default() += 1;
    }
}

/// One life of a worker: ends when nothing is due, or at a step drawn by lot.
async fn live(
    store: &dyn Store,
    world: &World,
    clock: &AtomicI64,
    random: &mut ChaCha8Rng,
) -> bool {
    let mut dies = |step: usize| {
        let dies = random.next_u32().is_multiple_of(12);
        if dies {
            world.deaths[step].fetch_add(1, Ordering::Relaxed);
        }
        dies
    };
    loop {
        let now = || Timestamp(clock.load(Ordering::Relaxed));
        let Some(task) = store.claim_task(&claim(now())).await.unwrap() else {
            return false;
        };
        let lease = Duration::from_millis(LEASE.unsigned_abs());
        if dies(0) {
            return true;
        }
        let held = store
            .heartbeat_task(task.id, task.attempts, now(), lease)
            .await;
        if held.unwrap() == Lease::Lost || dies(1) {
            return true;
        }
        world.take_effect(task.idempotency_key.as_deref().unwrap());
        if dies(2) {
            return true;
        }
        let completion = store.complete_task(task.id, task.attempts, now(), &[]);
        if dies(3) {
            // Dead while the store was at it: begun, and never waited for.
            let _ = tokio::time::timeout(Duration::ZERO, completion).await;
            return true;
        }
        completion.await.unwrap();
        if dies(4) {
            return true;
        }
    }
}

pub(crate) async fn jobs_outlive_workers_killed_at_every_step(home: &dyn Home) {
    let store = home.open().await;
    for job in 0..JOBS {
        let task = NewTask {
            id: TaskId(id()),
            max_attempts: 1000,
            idempotency_key: Some(format!("job {job}")),
            ..new_task("a")
        };
        store.enqueue_task(&task, NOW).await.unwrap();
    }
    let world = World::default();
    let clock = AtomicI64::new(NOW.0);
    let workers = (0..WORKERS).map(|worker| {
        let (world, clock) = (&world, &clock);
        async move {
            let store = home.open().await;
            let mut random = ChaCha8Rng::seed_from_u64(worker);
            loop {
                if live(&*store, world, clock, &mut random).await {
                    continue;
                }
                // Nothing is due: leases of the dead run out once the clock has moved.
                let kinds = claim(NOW).kinds;
                if store.next_task_due(&kinds).await.unwrap().is_none() {
                    break;
                }
                clock.fetch_add(LEASE / 8, Ordering::Relaxed);
            }
            store.close().await;
        }
    });
    futures::future::join_all(workers).await;
    let page = Page {
        offset: 0,
        limit: 1000,
    };
    let tasks = store
        .tasks(Principal::Server, &TaskFilter::default(), page)
        .await
        .unwrap();
    assert_eq!(tasks.len(), JOBS);
    assert!(tasks.iter().all(|task| task.state == TaskState::Done));
    let effects = world.effects.lock().unwrap();
    assert_eq!(effects.len(), JOBS, "an effect was lost");
    assert!(
        effects.values().any(|times| *times > 1),
        "nothing was repeated"
    );
    for (step, deaths) in world.deaths.iter().enumerate() {
        assert!(deaths.load(Ordering::Relaxed) > 0, "nobody died at {step}");
    }
}
