//! The threads that compute, shared by all models of the process.
//!
//! A forward pass is a few hundred operations of some ten microseconds to some milliseconds each.
//! Starting one must cost little beside that, so the members of the team wait for the next
//! operation spinning; because a pass may also be over, they spin for a bounded time and then
//! sleep. Members take work in small runs from a counter: one whose core was given to another
//! process delays an operation by a single run.
//!
//! Whoever calls [`Team::run`] is a member for that time, so a team of one has no thread of its
//! own. Several engine threads may call at once: each computes its own operation, and the members
//! go where work is left.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a member spins for the next operation before it sleeps: longer than what lies between
/// two operations of a pass, shorter than anyone notices.
const PATIENCE: Duration = Duration::from_micros(50);
/// Operations that can be under way at a time; a caller beyond computes alone.
const SLOTS: usize = 8;
/// Runs of tasks per member: the more, the less a member without a core delays the others.
const RUNS_PER_MEMBER: usize = 8;

/// The team of this process, with as many members as the setting `threads` says.
pub(crate) fn team() -> &'static Team {
    static TEAM: OnceLock<Team> = OnceLock::new();
    TEAM.get_or_init(|| Team::new(crate::candle::threads::count()))
}

thread_local! {
    /// Whether this thread is computing a task now: what it calls in turn is not divided further.
    static IS_COMPUTING: Cell<bool> = const { Cell::new(false) };
}

/// Threads that compute together.
pub(crate) struct Team {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team")
            .field("members", &self.members())
            .finish_non_exhaustive()
    }
}

impl Team {
    /// A team of `members`, the caller of [`Self::run`] counted.
    pub(crate) fn new(members: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("compute-{number}"))
                .spawn(move || shared.serve())
        };
        let mut threads = Vec::with_capacity(members.saturating_sub(1));
        for number in 1..members {
            match start(number) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    tracing::warn!(%error, started = number, wanted = members, "computing with fewer threads");
                    break;
                }
            }
        }
        Self { shared, threads }
    }

    /// Threads that compute, the caller of [`Self::run`] counted.
    pub(crate) fn members(&self) -> usize {
        self.threads.len() + 1
    }

    /// Calls `task` with every index below `tasks`, each once, in no order, on all members; returns
    /// when all are done. A panic of a task reaches the caller once no member computes any more.
    pub(crate) fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        self.run_ranges(tasks, 1, |range| range.for_each(&task));
    }

    /// As [`Self::run`], with runs of consecutive indices: for kernels that stream neighbouring
    /// memory. Every run begins at a multiple of `granularity`.
    pub(crate) fn run_ranges(
        &self,
        tasks: usize,
        granularity: usize,
        task: impl Fn(Range<usize>) + Sync,
    ) {
        let granularity = granularity.max(1);
        let run = tasks
            .div_ceil(self.members() * RUNS_PER_MEMBER)
            .next_multiple_of(granularity);
        if tasks == 0 {
            return;
        }
        if run >= tasks || self.threads.is_empty() || IS_COMPUTING.get() {
            return task(0..tasks);
        }
        self.shared.compute(&Job {
            task: &task,
            tasks,
            run,
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
        });
    }

    /// Cuts `items` into chunks of `length` (the last may be shorter) and calls `task` with the
    /// index and the items of each, as [`Self::run`] does.
    pub(crate) fn chunks_mut<T: Send>(
        &self,
        items: &mut [T],
        length: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let length = length.max(1);
        let count = items.len();
        let first = Shareable(items.as_mut_ptr());
        self.run(count.div_ceil(length), |index| {
            let start = index * length;
            #[expect(unsafe_code, reason = "each task has its own part of the items")]
            // SAFETY: `start` is below `count` because the index is below the number of chunks, so
            // the part lies within `items`; parts of different indices do not overlap, each index
            // is handed out once, and `items` stays borrowed until `run` returns.
            let chunk = unsafe {
                std::slice::from_raw_parts_mut(first.get().add(start), length.min(count - start))
            };
            task(index, chunk);
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.shared.announce();
        for thread in self.threads.drain(..) {
            // A member catches every panic of a task, so there is nothing to learn here.
            let _ = thread.join();
        }
    }
}

/// A pointer that several members may hold, for parts of a buffer that do not overlap.
pub(crate) struct Shareable<T>(pub(crate) *mut T);

impl<T> Shareable<T> {
    /// The pointer. (A method, so that closures capture the whole and not the field.)
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

#[expect(
    unsafe_code,
    reason = "a raw pointer says nothing of threads by itself"
)]
// SAFETY: the pointer is only an address; who dereferences it proves that no other member uses the
// same part.
unsafe impl<T: Send> Send for Shareable<T> {}
#[expect(
    unsafe_code,
    reason = "a raw pointer says nothing of threads by itself"
)]
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shareable<T> {}

/// One operation. It lives on the stack of the thread that asked for it.
struct Job<'a> {
    task: &'a (dyn Fn(Range<usize>) + Sync),
    tasks: usize,
    /// Indices that a member takes at a time.
    run: usize,
    /// The first index that nobody took.
    next: AtomicUsize,
    /// What the first task that panicked said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Takes and computes runs of tasks until none is left.
    fn work(&self) {
        let before = IS_COMPUTING.replace(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let first = self.next.fetch_add(self.run, Ordering::Relaxed);
                if first >= self.tasks {
                    break;
                }
                (self.task)(first..self.tasks.min(first + self.run));
            }
        }));
        IS_COMPUTING.set(before);
        if let Err(panic) = outcome {
            // The rest would be computed for nobody.
            self.next.store(self.tasks, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(panic);
        }
    }
}

/// A place where a job is on offer.
#[derive(Default)]
#[repr(align(128))]
struct Slot {
    /// [`CLAIMED`], [`OPEN`], [`AWAITED`] and, below them, the number of members inside the job.
    state: AtomicUsize,
    /// Valid as long as the slot is open or a member is inside.
    job: AtomicPtr<Job<'static>>,
}

/// A caller owns the slot.
const CLAIMED: usize = 1 << 31;
/// Members may enter.
const OPEN: usize = 1 << 30;
/// The caller sleeps until the last member has left.
const AWAITED: usize = 1 << 29;
/// The members inside.
const INSIDE: usize = AWAITED - 1;

impl Slot {
    fn claim(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0
            && self
                .state
                .compare_exchange(0, CLAIMED, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Enters if the slot is open.
    fn enter(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & OPEN != 0 {
            match self.state.compare_exchange_weak(
                state,
                state + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }
}

/// What the members and the callers share.
#[derive(Default)]
struct Shared {
    slots: [Slot; SLOTS],
    /// Counts the jobs that were opened: what waiting members look at.
    opened: AtomicUsize,
    /// Members that sleep or are about to.
    asleep: AtomicUsize,
    is_over: AtomicBool,
    /// Held by members between the last look at `opened` and sleep, so that no call is missed.
    bed: Mutex<()>,
    called: Condvar,
    /// The same for callers that wait for the last member to leave.
    door: Mutex<()>,
    left: Condvar,
}

impl Shared {
    /// Computes a job together with whoever has time.
    fn compute(&self, job: &Job<'_>) {
        let Some(slot) = self.slots.iter().find(|slot| slot.claim()) else {
            job.work();
            return finish(job);
        };
        let address = std::ptr::from_ref(job).cast_mut().cast::<Job<'static>>();
        slot.job.store(address, Ordering::Relaxed);
        slot.state.store(CLAIMED | OPEN, Ordering::Release);
        self.announce();
        job.work();
        // From here on nobody enters; whoever is inside has a run of tasks to finish.
        slot.state.fetch_and(!OPEN, Ordering::Relaxed);
        self.await_members(slot);
        slot.state.store(0, Ordering::Release);
        finish(job);
    }

    /// Tells the members that there is something to do.
    fn announce(&self) {
        // Sequentially consistent, as the members' counterparts are: either this thread sees that a
        // member is about to sleep, or that member sees the new count.
        self.opened.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.bed));
            self.called.notify_all();
        }
    }

    /// Waits until no member is inside the job of `slot`, which is closed.
    fn await_members(&self, slot: &Slot) {
        let is_empty = || slot.state.load(Ordering::Acquire) & INSIDE == 0;
        if spin_until(is_empty) {
            return;
        }
        let mut door = lock(&self.door);
        slot.state.fetch_or(AWAITED, Ordering::Relaxed);
        while !is_empty() {
            door = self.left.wait(door).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A member's life.
    fn serve(&self) {
        loop {
            let opened = self.opened.load(Ordering::SeqCst);
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            for slot in &self.slots {
                if slot.enter() {
                    self.help(slot);
                }
            }
            let is_called = || self.opened.load(Ordering::SeqCst) != opened;
            if !spin_until(is_called) {
                let mut bed = lock(&self.bed);
                self.asleep.fetch_add(1, Ordering::SeqCst);
                while !is_called() {
                    bed = self
                        .called
                        .wait(bed)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                self.asleep.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// Computes the job of a slot that this member has entered, and leaves.
    fn help(&self, slot: &Slot) {
        #[expect(unsafe_code, reason = "the job lives on the caller's stack")]
        // SAFETY: this member was counted in while the slot was open, so its caller does not return
        // from `compute`, and the job lives, until the member is counted out below. Entering
        // acquired what the caller released by opening the slot, the job's address among it.
        let job = unsafe { &*slot.job.load(Ordering::Relaxed) };
        job.work();
        // No task is left: others need not look.
        slot.state.fetch_and(!OPEN, Ordering::Relaxed);
        // Releases what the tasks wrote to the caller. The job may be gone after this.
        let before = slot.state.fetch_sub(1, Ordering::AcqRel);
        if before & INSIDE == 1 && before & AWAITED != 0 {
            drop(lock(&self.door));
            self.left.notify_all();
        }
    }
}

/// Hands a panic on to the caller.
fn finish(job: &Job<'_>) {
    if let Some(panic) = lock(&job.panic).take() {
        resume_unwind(panic);
    }
}

/// Spins until `is_so`, for as long as [`PATIENCE`] lasts. Whether it became so.
fn spin_until(is_so: impl Fn() -> bool) -> bool {
    /// Looks between two looks at the clock, which costs as much as some of them.
    const LOOKS: usize = 64;
    let mut begun = None;
    loop {
        for _ in 0..LOOKS {
            if is_so() {
                return true;
            }
            std::hint::spin_loop();
        }
        if begun.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return is_so();
        }
    }
}

/// Nothing that these locks guard can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    /// Runs tasks that count themselves; every one must have run once.
    fn check(team: &Team, tasks: usize) {
        let counts: Vec<AtomicU32> = (0..tasks).map(|_| AtomicU32::new(0)).collect();
        team.run(tasks, |index| {
            counts[index].fetch_add(1, Ordering::Relaxed);
        });
        for (index, count) in counts.iter().enumerate() {
            assert_eq!(count.load(Ordering::Relaxed), 1, "task {index} of {tasks}");
        }
    }

    #[test]
    fn every_task_runs_once() {
        for members in [0, 1, 2, 3, 7] {
            let team = Team::new(members);
            assert_eq!(team.members(), members.max(1));
            for tasks in [0, 1, 2, 3, 15, 16, 17, 1000] {
                check(&team, tasks);
            }
        }
    }

    #[test]
    fn many_small_operations_lose_no_call() {
        let team = Team::new(4);
        for round in 0..20_000 {
            check(&team, 2 + round % 40);
            if round % 1000 == 0 {
                // Long enough that members fall asleep, and some are caught on the way there.
                let begun = Instant::now();
                while begun.elapsed() < PATIENCE * 2 {
                    std::thread::yield_now();
                }
            }
        }
    }

    #[test]
    fn more_callers_than_slots_share_a_team() {
        let team = Team::new(3);
        std::thread::scope(|scope| {
            for _ in 0..SLOTS + 4 {
                scope.spawn(|| (0..500).for_each(|round| check(&team, 1 + round % 100)));
            }
        });
    }

    #[test]
    fn a_task_may_use_the_team_itself() {
        let team = Team::new(3);
        let sum = AtomicUsize::new(0);
        team.run(10, |outer| {
            team.run(10, |inner| {
                sum.fetch_add(outer * 10 + inner, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.into_inner(), (0..100).sum::<usize>());
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::new(3);
        for failing in [0, 50, 99] {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                team.run(100, |index| assert_ne!(index, failing, "on purpose"));
            }));
            let message = outcome.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains("on purpose"), "{message}");
            check(&team, 100);
        }
        // The thread that panicked may compute in parallel again.
        assert!(!IS_COMPUTING.get());
    }

    #[test]
    fn ranges_begin_at_multiples_of_the_granularity() {
        let team = Team::new(2);
        let covered = AtomicUsize::new(0);
        team.run_ranges(1003, 16, |range| {
            assert_eq!(range.start % 16, 0);
            assert!(range.end % 16 == 0 || range.end == 1003);
            covered.fetch_add(range.len(), Ordering::Relaxed);
        });
        assert_eq!(covered.into_inner(), 1003);
    }

    #[test]
    fn chunks_cover_a_slice_once() {
        let team = Team::new(3);
        for (length, chunk) in [(0, 4), (1, 4), (4, 4), (1003, 10), (5, 0)] {
            let mut items = vec![0usize; length];
            team.chunks_mut(&mut items, chunk, |index, chunk| {
                for item in chunk {
                    *item += index + 1;
                }
            });
            let expected: Vec<_> = (0..length).map(|item| item / chunk.max(1) + 1).collect();
            assert_eq!(items, expected);
        }
    }
}
