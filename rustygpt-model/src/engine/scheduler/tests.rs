use super::*;
use crate::contract::BlockId;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

mod fairness;
mod prefixes;

/// What a test does to the scheduler.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Enqueue(Wish),
    Step,
    Cancel(usize),
}

/// A sequence that a test wants.
#[derive(Clone, Copy, Debug)]
struct Wish {
    length: usize,
    answer: usize,
    priority: Priority,
    tenant: u8,
    /// How many tokens of the prompt all prompts have in common.
    common: usize,
}

/// A sequence as the test expects it.
#[derive(Debug)]
struct Expected {
    priority: Priority,
    tenant: u8,
    tokens: Vec<u32>,
    prompt_length: usize,
    /// What the cache must hold for each token: a hash of all that went into it.
    rows: Vec<u64>,
    /// Tokens still to be written.
    left: usize,
    cached: usize,
    was_admitted: bool,
}

/// A scheduler beside a plain model of what it should do, and a cache that notices whoever writes
/// to a block of another, or finds there what he would not have computed himself.
struct World {
    scheduler: Scheduler,
    limits: SchedulerLimits,
    sequences: BTreeMap<SequenceId, Expected>,
    cache: Vec<u64>,
    /// The latest sequence that was admitted.
    admitted: BTreeMap<(Priority, u8), SequenceId>,
    /// Tokens computed, by tenant.
    computed: BTreeMap<u8, usize>,
    /// Makes guesses, if there is one; every second one comes true.
    guesses: Option<ChaCha8Rng>,
    accepted: usize,
    next: u64,
    steps: usize,
}

fn mix(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl World {
    fn new(limits: SchedulerLimits) -> Self {
        Self {
            scheduler: Scheduler::new(limits),
            limits,
            sequences: BTreeMap::new(),
            cache: vec![0; limits.block_count * limits.block_size],
            admitted: BTreeMap::new(),
            computed: BTreeMap::new(),
            guesses: None,
            accepted: 0,
            next: 0,
            steps: 0,
        }
    }

    fn enqueue(&mut self, length: usize, answer: usize, priority: Priority) -> SequenceId {
        self.wish(Wish {
            length,
            answer,
            priority,
            tenant: 0,
            common: 0,
        })
    }

    fn wish(&mut self, wish: Wish) -> SequenceId {
        let capacity = self.limits.block_count * self.limits.block_size;
        let length = wish.length.clamp(1, capacity);
        let id = SequenceId(self.next);
        self.next += 1;
        let tokens: Vec<u32> = (0..length as u32)
            .map(|token| match (token as usize) < wish.common {
                true => token,
                false => token ^ (id.0 as u32) << 8,
            })
            .collect();
        let mut expected = Expected {
            priority: wish.priority,
            tenant: wish.tenant,
            tokens: Vec::new(),
            prompt_length: length,
            rows: Vec::new(),
            left: wish.answer.clamp(1, capacity - length + 1),
            cached: 0,
            was_admitted: false,
        };
        for &token in &tokens {
            self.push(&mut expected, token);
        }
        self.sequences.insert(id, expected);
        self.scheduler.enqueue(NewSequence {
            id,
            priority: wish.priority,
            cache_salt: CacheSalt([wish.tenant; 32]),
            tokens,
        });
        id
    }

    /// What a row holds: the token, everything before it, whose it is, and by which frequencies it
    /// was computed.
    fn row(&self, expected: &Expected, position: usize, before: u64, token: u32) -> u64 {
        let known = expected.prompt_length.max(position + 1);
        let is_long = self.limits.long_text.is_some_and(|length| known > length);
        mix(mix(before, u64::from(token)), u64::from(is_long))
    }

    fn push(&self, expected: &mut Expected, token: u32) {
        let before = expected.rows.last().copied();
        let before = before.unwrap_or(u64::from(expected.tenant) + 1);
        let position = expected.tokens.len();
        let row = self.row(expected, position, before, token);
        expected.tokens.push(token);
        expected.rows.push(row);
    }

    /// The token that the model says after this row.
    fn next_token(row: u64) -> u32 {
        (row >> 40) as u32 & 0xff
    }

    fn cancel(&mut self, id: SequenceId) {
        self.sequences.remove(&id);
        self.scheduler.remove(id);
    }

    /// Proposes guesses for who writes.
    fn guess(&mut self) {
        let Some(mut random) = self.guesses.take() else {
            return;
        };
        for (&id, expected) in &self.sequences {
            let most = expected.left.saturating_sub(1).min(5);
            let mut draft = Vec::new();
            let mut row = expected.rows.last().copied().unwrap_or_default();
            while draft.len() < most && expected.cached >= expected.prompt_length {
                let token = match random.next_u32() % 4 {
                    0 => 999,
                    _ => Self::next_token(row),
                };
                let position = expected.tokens.len() + draft.len();
                row = self.row(expected, position, row, token);
                draft.push(token);
            }
            self.scheduler.propose(id, draft);
        }
        self.guesses = Some(random);
    }

    fn step(&mut self) -> StepPlan {
        self.guess();
        let plan = self.scheduler.plan();
        self.steps += 1;
        assert_eq!(
            plan.sequences.is_empty(),
            self.sequences.is_empty(),
            "work is left and nothing is planned, or the other way round"
        );
        for id in &plan.ended {
            if let Some(expected) = self.sequences.get_mut(id) {
                expected.cached = 0;
            }
        }
        self.check(&plan);
        self.scheduler.complete(&plan);
        for step in &plan.sequences {
            self.apply_logits(step);
        }
        plan
    }

    /// What the worker does with a sequence's logits.
    fn apply_logits(&mut self, step: &SequenceStep) {
        let id = step.sequence;
        let mut expected = self.sequences.remove(&id).unwrap();
        let rows = step.logit_rows();
        let read = match step.logits {
            LogitRows::All => 1,
            _ => step.tokens.len(),
        };
        *self.computed.entry(expected.tenant).or_default() += read;
        expected.cached = step.start + read;
        if rows == 0 {
            assert!(expected.cached < expected.tokens.len());
        }
        for _ in 0..rows {
            assert_eq!(expected.cached, expected.tokens.len());
            expected.left -= 1;
            if expected.left == 0 {
                return self.cancel(id);
            }
            let token = Self::next_token(expected.rows[expected.cached - 1]);
            self.push(&mut expected, token);
            let is_guessed = self.scheduler.append(id, token);
            let place = expected.cached - step.start;
            assert_eq!(
                is_guessed,
                step.logits == LogitRows::All && step.tokens.get(place) == Some(&token)
            );
            if !is_guessed {
                break;
            }
            self.accepted += 1;
            *self.computed.entry(expected.tenant).or_default() += 1;
            expected.cached += 1;
        }
        self.sequences.insert(id, expected);
    }

    fn check(&mut self, plan: &StepPlan) {
        let limits = self.limits;
        assert!(plan.token_count() <= limits.step_tokens);
        assert!(plan.sequences.len() <= limits.slots);
        let is_one = |step: &SequenceStep| step.tokens.len() == 1;
        let writes = |step: &SequenceStep| is_one(step) && step.logits == LogitRows::Last;
        if let Some(most) = limits.prompt_tokens_beside_answers
            && plan.sequences.iter().any(writes)
        {
            let prompts = plan.sequences.iter();
            let prompts = prompts.filter(|step| step.logits != LogitRows::All);
            let beside: usize = prompts.map(|step| step.tokens.len() - 1).sum();
            assert!(beside <= most, "{beside} tokens of prompts");
        }
        let drafts = |step: &SequenceStep| step.logits == LogitRows::All;
        assert!(
            plan.sequences
                .iter()
                .all(|step| step.phase == Phase::Answer)
                || !plan.sequences.iter().any(drafts),
            "guesses are verified beside a prompt"
        );
        let mut written = HashSet::new();
        for step in &plan.sequences {
            let id = step.sequence;
            let expected = &self.sequences[&id];
            let end = step.start + step.tokens.len();
            assert!(!step.tokens.is_empty());
            let is_found = step.start > expected.cached;
            assert!(
                step.start == expected.cached || is_found && step.start % limits.block_size == 0,
                "a gap or a repetition in {id:?}"
            );
            assert!(step.start < expected.tokens.len(), "nothing is computed");
            let known = end.min(expected.tokens.len());
            assert_eq!(
                step.tokens[..known - step.start],
                expected.tokens[step.start..known]
            );
            assert!(known == end || step.logits == LogitRows::All);
            assert_eq!(step.prompt_length, expected.prompt_length);
            let phase = |position| match position < expected.prompt_length {
                true => Phase::Prompt,
                false => Phase::Answer,
            };
            assert!((step.start..end).all(|position| phase(position) == step.phase));
            assert_eq!(step.block_table.len(), end.div_ceil(limits.block_size));
            let distinct: HashSet<BlockId> = step.block_table.iter().copied().collect();
            assert_eq!(distinct.len(), step.block_table.len());
            let mut before = match step.start {
                0 => u64::from(expected.tenant) + 1,
                start => expected.rows[start - 1],
            };
            for (position, &token) in (step.start..).zip(&step.tokens) {
                before = self.row(expected, position, before, token);
                let slot = step.slot(position, limits.block_size).unwrap();
                assert!(written.insert(slot), "two sequences write to slot {slot}");
                self.cache[slot] = before;
            }
        }
        for step in &plan.sequences {
            let expected = &self.sequences[&step.sequence];
            let known = (step.start + step.tokens.len()).min(expected.tokens.len());
            let blocks = expected.rows[..known].chunks(limits.block_size);
            for (rows, block) in blocks.zip(&step.block_table) {
                let first = block.0 as usize * limits.block_size;
                assert_eq!(&self.cache[first..first + rows.len()], rows, "overwritten");
            }
        }
        for &id in self.scheduler.running.keys() {
            let expected = self.sequences.get_mut(&id).unwrap();
            if !std::mem::replace(&mut expected.was_admitted, true) {
                let line = (expected.priority, expected.tenant);
                let before = self.admitted.insert(line, id);
                assert!(before < Some(id), "{id:?} was overtaken");
            }
        }
        assert!(self.scheduler.blocks_used() + self.scheduler.blocks_kept() <= limits.block_count);
    }

    /// Lets everything end, and checks that it does in a reasonable number of steps.
    fn drain(&mut self) {
        let work: usize = self
            .sequences
            .values()
            .map(|expected| expected.tokens.len() + expected.left)
            .sum();
        // Each pre-emption may cost the victim's work again.
        let bound = (work + 1) * (self.sequences.len() + 1);
        for _ in 0..bound {
            if self.sequences.is_empty() {
                break;
            }
            self.step();
        }
        assert!(self.sequences.is_empty(), "sequences starve");
        assert!(self.scheduler.is_idle());
        assert_eq!(self.scheduler.blocks_used(), 0, "blocks leak");
        let every = self.limits.block_count;
        assert!(self.scheduler.blocks.available() == every, "blocks leak");
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Enqueue(wish) => {
                self.wish(wish);
            }
            Operation::Step => {
                self.step();
            }
            Operation::Cancel(index) => {
                if let Some(&id) = self
                    .sequences
                    .keys()
                    .nth(index % self.sequences.len().max(1))
                {
                    self.cancel(id);
                }
            }
        }
    }
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Interactive), Just(Priority::Background)]
}

fn operations() -> impl Strategy<Value = Operation> {
    let wishes = (1usize..60, 1usize..30, priorities(), 0u8..3, 0usize..60);
    prop_oneof![
        2 => wishes.prop_map(|(length, answer, priority, tenant, common)| {
            Operation::Enqueue(Wish { length, answer, priority, tenant, common })
        }),
        6 => Just(Operation::Step),
        1 => (0usize..20).prop_map(Operation::Cancel),
    ]
}

proptest! {
    #[test]
    fn invariants_hold_over_any_operations(
        slots in 1usize..6,
        surplus in 0usize..40,
        block_size in 1usize..9,
        block_count in 1usize..24,
        long_text in prop::option::of(0usize..60),
        operations in prop::collection::vec(operations(), 0..150),
    ) {
        let step_tokens = slots + surplus;
        let mut world = World::new(SchedulerLimits {
            slots,
            step_tokens,
            prompt_tokens_beside_answers: Some(surplus / 2),
            block_size,
            block_count,
            shares_blocks: true,
            long_text,
        });
        world.guesses = Some(ChaCha8Rng::seed_from_u64(1));
        for operation in operations {
            world.apply(operation);
        }
        world.drain();
    }
}

#[test]
fn invariants_hold_over_a_million_operations() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let limits = SchedulerLimits {
        slots: 6,
        step_tokens: 40,
        prompt_tokens_beside_answers: Some(40),
        block_count: 40,
        long_text: Some(150),
        ..limits(8)
    };
    let mut world = World::new(limits);
    world.guesses = Some(ChaCha8Rng::seed_from_u64(8));
    for _ in 0..1_000_000 {
        let value = random.next_u64() as usize;
        let operation = match value % 16 {
            // About as much work arrives as can be done.
            0 if world.sequences.len() < 40 => Operation::Enqueue(Wish {
                length: 1 + value / 16 % 200,
                answer: 1 + value / 4096 % 60,
                priority: if value & (1 << 20) == 0 {
                    Priority::Interactive
                } else {
                    Priority::Background
                },
                tenant: (value >> 21) as u8 % 5,
                common: (value >> 24) % 128,
            }),
            1 if value & (1 << 21) == 0 => Operation::Cancel(value / 16),
            _ => Operation::Step,
        };
        world.apply(operation);
    }
    let scheduler = &world.scheduler;
    assert!(scheduler.preemptions() > 1000, "blocks never ran out");
    assert!(scheduler.reused_tokens() > 100_000, "nothing was reused");
    assert!(world.accepted > 100_000, "no guess came true");
    world.drain();
}

/// Limits that do not bite, with blocks of that size.
fn limits(block_size: usize) -> SchedulerLimits {
    SchedulerLimits {
        slots: 8,
        step_tokens: 512,
        prompt_tokens_beside_answers: Some(64),
        block_size,
        block_count: 1000,
        shares_blocks: true,
        long_text: None,
    }
}

fn roomy(slots: usize, step_tokens: usize) -> World {
    World::new(SchedulerLimits {
        slots,
        step_tokens,
        prompt_tokens_beside_answers: Some(40),
        ..limits(16)
    })
}

fn share(plan: &StepPlan, id: SequenceId) -> usize {
    let step = plan.sequences.iter().find(|step| step.sequence == id);
    step.map_or(0, |step| step.tokens.len())
}

#[test]
fn sequences_of_different_lengths_share_a_step() {
    let mut world = roomy(8, 512);
    for length in [3, 50, 7, 120] {
        world.enqueue(length, 5, Priority::Interactive);
    }
    let lengths: Vec<_> = world
        .step()
        .sequences
        .iter()
        .map(|step| step.tokens.len())
        .collect();
    assert_eq!(lengths, [3, 50, 7, 120]);
    assert_eq!(world.step().token_count(), 4);
}

#[test]
fn a_long_prompt_does_not_stall_a_running_answer() {
    let mut world = roomy(4, 64);
    let running = world.enqueue(4, 10, Priority::Interactive);
    world.step();
    let long = world.enqueue(1000, 5, Priority::Interactive);
    for _ in 0..9 {
        let plan = world.step();
        assert_eq!((share(&plan, running), share(&plan, long)), (1, 41));
    }
    // The answer has ended: the whole step is the prompt's.
    assert_eq!(share(&world.step(), long), 64);
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one_and_the_long_one_goes_on() {
    let mut world = roomy(4, 64);
    let long = world.enqueue(1000, 5, Priority::Interactive);
    world.step();
    let short = world.enqueue(20, 5, Priority::Interactive);
    let plan = world.step();
    assert_eq!(share(&plan, short), 20);
    assert_eq!(share(&plan, long), 44);
}

#[test]
fn interactive_work_goes_first_and_background_work_still_has_its_turn() {
    let mut world = roomy(1, 16);
    let background = world.enqueue(1, 1, Priority::Background);
    for _ in 0..20 {
        world.enqueue(1, 1, Priority::Interactive);
    }
    let turn = (0..).find(|_| share(&world.step(), background) > 0);
    assert_eq!(turn, Some(admit::BACKGROUND_TURN as usize));
}

#[test]
fn background_work_leaves_a_slot_free() {
    let mut world = roomy(3, 16);
    for _ in 0..3 {
        world.enqueue(1, 50, Priority::Background);
    }
    assert_eq!(world.step().sequences.len(), 2);
    let interactive = world.enqueue(1, 1, Priority::Interactive);
    assert_eq!(share(&world.step(), interactive), 1);
}

#[test]
fn when_blocks_run_out_the_youngest_of_the_lowest_priority_goes_back_with_its_tokens() {
    let limits = SchedulerLimits {
        slots: 3,
        step_tokens: 64,
        block_count: 8,
        ..limits(4)
    };
    let mut world = World::new(limits);
    let oldest = world.enqueue(4, 20, Priority::Interactive);
    let background = world.enqueue(4, 20, Priority::Background);
    let youngest = world.enqueue(4, 20, Priority::Interactive);
    let mut gone = Vec::new();
    while gone.is_empty() {
        let plan = world.step();
        assert!(share(&plan, oldest) > 0);
        gone.extend(plan.ended.iter().copied());
        if !gone.is_empty() {
            assert!(share(&plan, youngest) > 0);
        }
    }
    assert_eq!(gone, [background]);
    world.drain();
}

#[test]
fn a_newcomer_waits_rather_than_take_the_block_that_a_running_answer_needs_next() {
    let limits = SchedulerLimits {
        slots: 2,
        step_tokens: 64,
        block_count: 4,
        ..limits(4)
    };
    let mut world = World::new(limits);
    let running = world.enqueue(12, 4, Priority::Interactive);
    world.step();
    let newcomer = world.enqueue(2, 2, Priority::Interactive);
    let plan = world.step();
    assert_eq!((share(&plan, running), share(&plan, newcomer)), (1, 0));
    world.drain();
    assert_eq!(world.scheduler.preemptions(), 0);
}
