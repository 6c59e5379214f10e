use super::*;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a test does to the scheduler.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Enqueue {
        length: usize,
        answer: usize,
        priority: Priority,
    },
    Step,
    Cancel(usize),
}

/// A sequence as the test expects it.
#[derive(Debug)]
struct Expected {
    priority: Priority,
    tokens: Vec<u32>,
    prompt_length: usize,
    /// Tokens still to be written.
    left: usize,
    cached: usize,
}

/// A scheduler beside a plain model of what it should do, and a cache that notices whoever writes
/// to a block of another.
struct World {
    scheduler: Scheduler,
    limits: SchedulerLimits,
    sequences: BTreeMap<SequenceId, Expected>,
    cache: HashMap<(BlockId, usize), (SequenceId, usize)>,
    /// Which sequences had begun, in order, by priority.
    begun: Vec<(Priority, SequenceId)>,
    next: u64,
    steps: usize,
}

impl World {
    fn new(limits: SchedulerLimits) -> Self {
        Self {
            scheduler: Scheduler::new(limits),
            limits,
            sequences: BTreeMap::new(),
            cache: HashMap::new(),
            begun: Vec::new(),
            next: 0,
            steps: 0,
        }
    }

    fn enqueue(&mut self, length: usize, answer: usize, priority: Priority) -> SequenceId {
        let capacity = self.limits.block_count * self.limits.block_size;
        let length = length.clamp(1, capacity);
        let id = SequenceId(self.next);
        self.next += 1;
        let tokens: Vec<u32> = (0..length as u32)
            .map(|token| token ^ id.0 as u32)
            .collect();
        let left = answer.clamp(1, capacity - length + 1);
        let expected = Expected {
            priority,
            tokens: tokens.clone(),
            prompt_length: length,
            left,
            cached: 0,
        };
        self.sequences.insert(id, expected);
        self.scheduler.enqueue(NewSequence {
            id,
            priority,
            tokens,
        });
        id
    }

    fn cancel(&mut self, id: SequenceId) {
        self.sequences.remove(&id);
        self.scheduler.remove(id);
    }

    fn step(&mut self) -> StepPlan {
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
            let expected = self.sequences.get_mut(&step.sequence).unwrap();
            expected.cached = step.start + step.tokens.len();
            if step.logits == LogitRows::None {
                assert!(expected.cached < expected.tokens.len());
                continue;
            }
            assert_eq!(expected.cached, expected.tokens.len());
            expected.left -= 1;
            if expected.left == 0 {
                self.cancel(step.sequence);
            } else {
                let token = expected.tokens.len() as u32;
                expected.tokens.push(token);
                self.scheduler.append(step.sequence, token);
            }
        }
        plan
    }

    fn check(&mut self, plan: &StepPlan) {
        let limits = self.limits;
        assert!(plan.token_count() <= limits.step_tokens);
        if self
            .sequences
            .values()
            .any(|expected| expected.cached > 0 && expected.tokens.len() - expected.cached == 1)
        {
            let beside = plan.token_count() - plan.sequences.len();
            assert!(
                beside <= limits.prompt_tokens_beside_answers,
                "{beside} tokens of prompts"
            );
        }
        assert!(plan.sequences.len() <= limits.slots);
        assert_eq!(
            plan.sequences.len(),
            self.scheduler.running(),
            "a running sequence was left out"
        );
        let mut taking_part = BTreeSet::new();
        let mut blocks = BTreeSet::new();
        for step in &plan.sequences {
            let id = step.sequence;
            assert!(taking_part.insert(id), "{id:?} takes part twice");
            let expected = &self.sequences[&id];
            let end = step.start + step.tokens.len();
            assert!(!step.tokens.is_empty());
            assert_eq!(
                step.start, expected.cached,
                "a gap or a repetition in {id:?}"
            );
            assert_eq!(step.tokens, expected.tokens[step.start..end]);
            assert_eq!(step.prompt_length, expected.prompt_length);
            let phase = |position| match position < expected.prompt_length {
                true => Phase::Prompt,
                false => Phase::Answer,
            };
            assert!((step.start..end).all(|position| phase(position) == step.phase));
            assert_eq!(step.block_table.len(), end.div_ceil(limits.block_size));
            for block in &step.block_table {
                assert!(blocks.insert(*block), "{block:?} has two owners");
                assert!((block.0 as usize) < limits.block_count);
            }
            let slot = |position: usize| {
                let block = step.block_table[position / limits.block_size];
                (block, position % limits.block_size)
            };
            for position in step.start..end {
                self.cache.insert(slot(position), (id, position));
            }
            for position in 0..end {
                assert_eq!(self.cache[&slot(position)], (id, position), "overwritten");
            }
            if !self.begun.contains(&(expected.priority, id)) {
                let earlier = self
                    .begun
                    .iter()
                    .filter(|(priority, _)| *priority == expected.priority);
                assert!(
                    earlier.map(|(_, other)| *other).max() < Some(id),
                    "{id:?} was overtaken"
                );
                self.begun.push((expected.priority, id));
            }
        }
        assert!(self.scheduler.blocks_used() >= blocks.len());
        assert!(self.scheduler.blocks_used() <= limits.block_count);
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
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Enqueue {
                length,
                answer,
                priority,
            } => {
                self.enqueue(length, answer, priority);
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
    prop_oneof![
        2 => (1usize..60, 1usize..30, priorities()).prop_map(|(length, answer, priority)| {
            Operation::Enqueue { length, answer, priority }
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
        operations in prop::collection::vec(operations(), 0..150),
    ) {
        let step_tokens = slots + surplus;
        let mut world = World::new(SchedulerLimits {
            slots,
            step_tokens,
            prompt_tokens_beside_answers: surplus / 2,
            block_size,
            block_count,
        });
        for operation in operations {
            world.apply(operation);
        }
        world.drain();
    }
}

#[test]
fn invariants_hold_over_a_hundred_thousand_operations() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let limits = SchedulerLimits {
        slots: 6,
        step_tokens: 40,
        prompt_tokens_beside_answers: 40,
        block_size: 8,
        block_count: 40,
    };
    let mut world = World::new(limits);
    for _ in 0..100_000 {
        let value = random.next_u32() as usize;
        let operation = match value % 16 {
            // About as much work arrives as can be done.
            0 if world.sequences.len() < 40 => Operation::Enqueue {
                length: 1 + value / 16 % 200,
                answer: 1 + value / 4096 % 60,
                priority: if value & (1 << 20) == 0 {
                    Priority::Interactive
                } else {
                    Priority::Background
                },
            },
            1 if value & (1 << 21) == 0 => Operation::Cancel(value / 16),
            _ => Operation::Step,
        };
        world.apply(operation);
        world.begun.drain(..world.begun.len().saturating_sub(100));
    }
    assert!(
        world.scheduler.preemptions() > 100,
        "the test never ran out of blocks"
    );
    world.drain();
}

fn roomy(slots: usize, step_tokens: usize) -> World {
    World::new(SchedulerLimits {
        slots,
        step_tokens,
        prompt_tokens_beside_answers: 40,
        block_size: 16,
        block_count: 1000,
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
    assert_eq!(turn, Some(BACKGROUND_TURN as usize));
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
        prompt_tokens_beside_answers: 64,
        block_size: 4,
        block_count: 8,
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
        prompt_tokens_beside_answers: 64,
        block_size: 4,
        block_count: 4,
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
