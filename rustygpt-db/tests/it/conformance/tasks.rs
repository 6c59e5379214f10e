use super::accounts::{assert_conflict, assert_not_found};
use super::{Home, NOW, account, act, act_of, at_once, id, new_account};
use rustygpt_db::store::{
    Claim, Conflict, Enqueued, Failure, Lease, NewSchedule, NewTask, Page, Principal, Role, Store,
    Task, TaskCounts, TaskFilter, TaskId, TaskState, Timestamp,
};
use std::collections::HashSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn new_task(kind: &str) -> NewTask {
    NewTask {
        id: TaskId(id()),
        kind: kind.to_owned(),
        payload: "{}".to_owned(),
        account: None,
        priority: 0,
        run_at: NOW,
        max_attempts: 3,
        idempotency_key: None,
    }
}

pub(crate) fn claim(at: Timestamp) -> Claim {
    Claim {
        worker: "worker".to_owned(),
        kinds: vec!["a".to_owned(), "b".to_owned()],
        at,
        lease: MINUTE,
    }
}

async fn enqueued(store: &dyn Store, task: NewTask) -> TaskId {
    match store.enqueue_task(&task, NOW).await.unwrap() {
        Enqueued::New(id) => id,
        Enqueued::Existing(id) => panic!("{id} existed"),
    }
}

async fn claimed(store: &dyn Store, at: Timestamp) -> Option<Task> {
    store.claim_task(&claim(at)).await.unwrap()
}

async fn found(store: &dyn Store, id: TaskId) -> Task {
    store.task(Principal::Server, id).await.unwrap().unwrap()
}

pub(crate) async fn the_most_urgent_due_task_comes_first(home: &dyn Home) {
    let store = home.open().await;
    let kinds = claim(NOW).kinds;
    assert_eq!(store.next_task_due(&kinds).await.unwrap(), None);
    let later = NOW.plus(MINUTE);
    let mut wanted = Vec::new();
    for (place, priority, run_at, kind) in [
        (3, 0, NOW, "a"),
        (1, 5, NOW, "b"),
        (2, 0, NOW.minus(MINUTE), "a"),
        (0, 9, later, "a"),
        (0, 9, NOW, "other"),
    ] {
        let task = NewTask {
            priority,
            run_at,
            ..new_task(kind)
        };
        wanted.push((place, task.id));
        enqueued(&*store, task).await;
    }
    wanted.retain(|(place, _)| *place > 0);
    wanted.sort_unstable();
    for (_, id) in wanted {
        let task = claimed(&*store, NOW).await.unwrap();
        assert_eq!(
            (task.id, task.state, task.attempts),
            (id, TaskState::Running, 1)
        );
        assert_eq!(task.worker.as_deref(), Some("worker"));
        let done = store.complete_task(id, 1, NOW, &[]).await.unwrap();
        assert_eq!(done, Lease::Held);
    }
    assert_eq!(claimed(&*store, NOW).await, None);
    assert_eq!(store.next_task_due(&kinds).await.unwrap(), Some(later));
    assert!(claimed(&*store, later).await.is_some());
    let leased = store.next_task_due(&kinds).await.unwrap();
    assert_eq!(leased, Some(later.plus(MINUTE)));
}

// Seen to fail on PostgreSQL without `FOR UPDATE SKIP LOCKED`.
pub(crate) async fn a_task_is_given_to_one(home: &dyn Home) {
    let store = home.open().await;
    for _ in 0..20 {
        enqueued(&*store, new_task("a")).await;
    }
    let claimed = at_once(home, 30, |store, _| async move {
        store.claim_task(&claim(NOW)).await
    })
    .await;
    let ids: Vec<TaskId> = claimed
        .into_iter()
        .filter_map(|task| task.unwrap().map(|task| task.id))
        .collect();
    assert_eq!(ids.len(), 20);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 20);
}

pub(crate) async fn a_lost_lease_fences_off_its_worker(home: &dyn Home) {
    let store = home.open().await;
    let id = enqueued(&*store, new_task("a")).await;
    assert_eq!(claimed(&*store, NOW).await.unwrap().attempts, 1);
    let half = NOW.plus(MINUTE / 2);
    let held = store.heartbeat_task(id, 1, half, MINUTE).await.unwrap();
    assert_eq!(held, Lease::Held);
    assert_eq!(claimed(&*store, NOW.plus(MINUTE)).await, None);
    let later = half.plus(MINUTE);
    assert_eq!(claimed(&*store, later).await.unwrap().attempts, 2);
    let lost = [
        store.heartbeat_task(id, 1, later, MINUTE).await.unwrap(),
        store
            .complete_task(id, 1, later, &[new_task("a")])
            .await
            .unwrap(),
        store
            .fail_task(
                id,
                1,
                later,
                &Failure {
                    error: "late".to_owned(),
                    retry_at: None,
                },
            )
            .await
            .unwrap(),
    ];
    assert_eq!(lost, [Lease::Lost; 3]);
    let follow_up = new_task("a");
    let next = follow_up.id;
    let done = store
        .complete_task(id, 2, later, &[follow_up])
        .await
        .unwrap();
    assert_eq!(done, Lease::Held);
    let task = found(&*store, id).await;
    assert_eq!(
        (task.state, task.finished_at),
        (TaskState::Done, Some(later))
    );
    assert_eq!(task.last_error, None);
    assert_eq!(found(&*store, next).await.state, TaskState::Waiting);
    // Workers that die each time: the attempts are used up, and it is dead.
    let mut at = later;
    for _ in 0..3 {
        assert_eq!(claimed(&*store, at).await.unwrap().id, next);
        at = at.plus(MINUTE);
    }
    assert_eq!(claimed(&*store, at).await, None);
    assert_eq!(found(&*store, next).await.state, TaskState::Dead);
}

pub(crate) async fn a_task_fails_until_it_is_dead_and_may_be_retried(home: &dyn Home) {
    let store = home.open().await;
    let id = enqueued(&*store, new_task("a")).await;
    let mut at = NOW;
    for attempt in 1..=3 {
        assert_eq!(claimed(&*store, at).await.unwrap().attempts, attempt);
        let failure = Failure {
            error: format!("failure {attempt}"),
            retry_at: Some(at.plus(MINUTE)),
        };
        let held = store.fail_task(id, attempt, at, &failure).await.unwrap();
        assert_eq!(held, Lease::Held);
        assert_eq!(claimed(&*store, at).await, None);
        at = at.plus(MINUTE);
    }
    let dead = found(&*store, id).await;
    assert_eq!((dead.state, dead.attempts), (TaskState::Dead, 3));
    assert_eq!(dead.last_error.as_deref(), Some("failure 3"));
    assert_eq!(claimed(&*store, at).await, None);
    let mut retry = act("task.retry");
    retry.at = at;
    let waiting = store.retry_task(id, &retry).await.unwrap();
    assert_eq!(
        (waiting.state, waiting.max_attempts),
        (TaskState::Waiting, 6)
    );
    assert_conflict(&store.retry_task(id, &retry).await, Conflict::WrongState);
    assert_eq!(claimed(&*store, at).await.unwrap().attempts, 4);
    let fatal = Failure {
        error: "fatal".to_owned(),
        retry_at: None,
    };
    store.fail_task(id, 4, at, &fatal).await.unwrap();
    assert_eq!(found(&*store, id).await.state, TaskState::Dead);
}

pub(crate) async fn a_cancelled_task_ends(home: &dyn Home) {
    let store = home.open().await;
    let cancel = act("task.cancel");
    let waiting = enqueued(&*store, new_task("a")).await;
    let task = store.cancel_task(waiting, &cancel).await.unwrap();
    assert_eq!(
        (task.state, task.finished_at),
        (TaskState::Cancelled, Some(NOW))
    );
    assert_conflict(
        &store.cancel_task(waiting, &cancel).await,
        Conflict::WrongState,
    );
    assert_not_found(&store.cancel_task(TaskId(id()), &cancel).await);
    // A running one is asked, and ends when its worker hears of it or dies.
    for dies in [false, true] {
        let id = enqueued(&*store, new_task("a")).await;
        claimed(&*store, NOW).await.unwrap();
        let asked = store.cancel_task(id, &cancel).await.unwrap();
        assert_eq!(
            (asked.state, asked.is_cancel_requested),
            (TaskState::Running, true)
        );
        let heard = store.heartbeat_task(id, 1, NOW, MINUTE).await.unwrap();
        assert_eq!(heard, Lease::CancelRequested);
        if dies {
            assert_eq!(claimed(&*store, NOW.plus(MINUTE)).await, None);
        } else {
            let failure = Failure {
                error: "cancelled".to_owned(),
                retry_at: Some(NOW),
            };
            store.fail_task(id, 1, NOW, &failure).await.unwrap();
        }
        assert_eq!(found(&*store, id).await.state, TaskState::Cancelled);
    }
    let filter = TaskFilter {
        state: Some(TaskState::Cancelled),
        kind: Some("a".to_owned()),
    };
    let listed = store
        .tasks(Principal::Server, &filter, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(listed.len(), 3);
}

// Seen to fail on SQLite with `BEGIN` in place of `BEGIN IMMEDIATE`.
pub(crate) async fn a_key_enqueues_once(home: &dyn Home) {
    let task = |kind: &str| NewTask {
        idempotency_key: Some("once".to_owned()),
        ..new_task(kind)
    };
    let enqueued = at_once(home, 12, move |store, _| async move {
        store.enqueue_task(&task("a"), NOW).await
    })
    .await;
    let mut new = Vec::new();
    let mut existing = HashSet::new();
    for enqueued in enqueued {
        match enqueued.unwrap() {
            Enqueued::New(id) => new.push(id),
            Enqueued::Existing(id) => {
                existing.insert(id);
            }
        }
    }
    assert_eq!(new.len(), 1);
    assert_eq!(existing, HashSet::from([new[0]]));
    let store = home.open().await;
    let other_kind = store.enqueue_task(&task("b"), NOW).await.unwrap();
    assert!(matches!(other_kind, Enqueued::New(_)));
}

pub(crate) async fn a_task_is_enqueued_with_its_act_or_not_at_all(home: &dyn Home) {
    let store = home.open().await;
    let new = new_account(Role::User);
    let mut act = act("account.create");
    act.tasks = vec![NewTask {
        account: Some(new.id),
        ..new_task("a")
    }];
    store.create_account(&new, None, &act).await.unwrap();
    let first = act.tasks[0].id;
    act.tasks = vec![new_task("a")];
    assert!(store.create_account(&new, None, &act).await.is_err());
    let all = TaskFilter::default();
    let listed = store
        .tasks(Principal::Server, &all, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(listed.iter().map(|t| t.id).collect::<Vec<_>>(), [first]);
    assert_eq!(listed[0].account, Some(new.id));
    // One's own act may cause the server's work.
    let mut own = act_of(Principal::Account(new.id), "test.done");
    own.tasks = vec![new_task("a")];
    let done = store
        .append_audit(&own, rustygpt_db::store::Outcome::Done)
        .await;
    done.unwrap();
    assert_eq!(found(&*store, own.tasks[0].id).await.account, None);
}

pub(crate) async fn tasks_of_others_do_not_exist(home: &dyn Home) {
    let store = home.open().await;
    let (mine, other) = (
        account(&*store, Role::User).await,
        account(&*store, Role::User).await,
    );
    let task = NewTask {
        account: Some(other.id),
        ..new_task("a")
    };
    let theirs = enqueued(&*store, task).await;
    let servers = enqueued(&*store, new_task("a")).await;
    let me = Principal::Account(mine.id);
    let attack = act_of(me, "attack");
    for id in [theirs, servers] {
        assert_eq!(store.task(me, id).await.unwrap(), None);
        assert_not_found(&store.cancel_task(id, &attack).await);
        assert_not_found(&store.retry_task(id, &attack).await);
    }
    let all = TaskFilter::default();
    assert_eq!(store.tasks(me, &all, Page::FIRST).await.unwrap(), []);
    let own = act_of(Principal::Account(other.id), "task.cancel");
    let cancelled = store.cancel_task(theirs, &own).await.unwrap();
    assert_eq!(cancelled.state, TaskState::Cancelled);
}

fn schedule(pattern: &str, next_run_at: Timestamp) -> NewSchedule {
    NewSchedule {
        name: "retention".to_owned(),
        pattern: pattern.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        kind: "a".to_owned(),
        payload: "{}".to_owned(),
        next_run_at,
    }
}

// One statement does it in both homes: there is no lock to take away.
pub(crate) async fn a_schedule_fires_once(home: &dyn Home) {
    let store = home.open().await;
    store
        .put_schedule(&schedule("0 3 * * *", NOW))
        .await
        .unwrap();
    assert_eq!(store.due_schedules(NOW.minus(MINUTE)).await.unwrap(), []);
    let due = store.due_schedules(NOW).await.unwrap();
    assert_eq!(due.len(), 1);
    let next = NOW.plus(24 * 60 * MINUTE);
    let fired = at_once(home, 12, move |store, _| async move {
        let task = new_task("a");
        store.fire_schedule("retention", NOW, next, &task).await
    })
    .await;
    let fired = fired.into_iter().filter(|f| *f.as_ref().unwrap()).count();
    assert_eq!(fired, 1);
    let all = TaskFilter::default();
    let tasks = store
        .tasks(Principal::Server, &all, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(
        store.due_schedules(next).await.unwrap()[0].next_run_at,
        next
    );
    store.remove_schedule("retention").await.unwrap();
    assert_eq!(store.due_schedules(next).await.unwrap(), []);
}

pub(crate) async fn a_schedule_survives_a_restart(home: &dyn Home) {
    let store = home.open().await;
    let later = NOW.plus(MINUTE);
    store
        .put_schedule(&schedule("0 3 * * *", NOW))
        .await
        .unwrap();
    let same = store
        .put_schedule(&schedule("0 3 * * *", later))
        .await
        .unwrap();
    assert_eq!(same.next_run_at, NOW);
    let moved = store
        .put_schedule(&schedule("0 4 * * *", later))
        .await
        .unwrap();
    assert_eq!(
        (moved.next_run_at, moved.pattern.as_str()),
        (later, "0 4 * * *")
    );
}

pub(crate) async fn ended_tasks_are_pruned(home: &dyn Home) {
    let store = home.open().await;
    let ended = enqueued(&*store, new_task("a")).await;
    claimed(&*store, NOW).await.unwrap();
    store.complete_task(ended, 1, NOW, &[]).await.unwrap();
    let waiting = enqueued(&*store, new_task("a")).await;
    assert_eq!(store.prune_tasks(NOW).await.unwrap(), 0);
    assert_eq!(store.prune_tasks(NOW.plus(MINUTE)).await.unwrap(), 1);
    assert_eq!(store.task(Principal::Server, ended).await.unwrap(), None);
    assert_eq!(found(&*store, waiting).await.id, waiting);
}

pub(crate) async fn a_task_given_back_loses_no_attempt(home: &dyn Home) {
    let store = home.open().await;
    let task = NewTask {
        max_attempts: 1,
        ..new_task("a")
    };
    let id = enqueued(&*store, task).await;
    enqueued(&*store, new_task("later")).await;
    for attempt in 1..=3 {
        assert_eq!(claimed(&*store, NOW).await.unwrap().attempts, attempt);
        let counts = store.count_tasks().await.unwrap();
        let wanted = TaskCounts {
            waiting: 1,
            running: 1,
            dead: 0,
        };
        assert_eq!(counts, wanted);
        let stale = store.release_task(id, attempt - 1, NOW).await.unwrap();
        assert_eq!(stale, Lease::Lost);
        let held = store.release_task(id, attempt, NOW).await.unwrap();
        assert_eq!(held, Lease::Held);
    }
    claimed(&*store, NOW).await.unwrap();
    let failure = Failure {
        error: "no".to_owned(),
        retry_at: Some(NOW),
    };
    store.fail_task(id, 4, NOW, &failure).await.unwrap();
    assert_eq!(store.count_tasks().await.unwrap().dead, 1);
    // One that was to be cancelled is not begun again.
    let id = enqueued(&*store, new_task("a")).await;
    claimed(&*store, NOW).await.unwrap();
    store.cancel_task(id, &act("task.cancel")).await.unwrap();
    store.release_task(id, 1, NOW).await.unwrap();
    assert_eq!(found(&*store, id).await.state, TaskState::Cancelled);
    for state in TaskState::ALL {
        assert_eq!(TaskState::named(state.name()), Some(state));
    }
    assert_eq!(TaskState::named("gone"), None);
}
