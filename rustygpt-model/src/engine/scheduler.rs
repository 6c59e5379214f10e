//! [`Scheduler`]: who takes part in the next forward pass, and with how many tokens.
//!
//! Continuous batching (Yu et al., "Orca", OSDI 2022) with chunked prefill (Agrawal et al.,
//! "Sarathi-Serve", OSDI 2024) over paged blocks. Pure: values in, values out; no clock, no IO.
//!
//! The rules:
//! - every running sequence reads at least one token in every step; what that leaves of the step's
//!   tokens goes to prompts, but only a few beside an answer that is being written. So a long
//!   prompt never stalls an answer, and no prompt stands still;
//! - half of a step's prompt tokens go to the oldest prompt, the other half to the shortest rests
//!   first: a short question does not wait for the book before it;
//! - sequences are admitted in order of arrival within a priority. The head of the queue is never
//!   overtaken, so it cannot starve; interactive work goes before background work, but every
//!   `BACKGROUND_TURN`th admission is background's when some waits, and background work leaves
//!   one slot free;
//! - when blocks run out, the youngest sequence of the lowest priority gives up its blocks and
//!   goes back to the head of its queue with the tokens it has: it is computed again later, its
//!   prompt and what it wrote in steps of their own ([`Phase`]).
//!
//! Precondition: no sequence grows beyond the cache's positions; then one sequence can always run.

use crate::contract::{BlockId, LogitRows, Phase, Priority, SequenceId, SequenceStep, StepPlan};
use crate::kv::BlockPool;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// After this many interactive admissions in a row, waiting background work has one.
const BACKGROUND_TURN: u32 = 8;

/// What a scheduler may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerLimits {
    /// Sequences that run at once; 0 counts as 1.
    pub slots: usize,
    /// Tokens per step; fewer than `slots` counts as `slots`.
    pub step_tokens: usize,
    /// Of those, prompt tokens beyond the first of each prompt while any answer is being written:
    /// every answer waits for the whole step.
    pub prompt_tokens_beside_answers: usize,
    /// Positions per block of the cache; 0 counts as 1.
    pub block_size: usize,
    /// Blocks of the cache.
    pub block_count: usize,
}

/// A sequence that wants to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSequence {
    /// Its id; ids rise in order of arrival.
    pub id: SequenceId,
    /// Who goes first.
    pub priority: Priority,
    /// The prompt; not empty.
    pub tokens: Vec<u32>,
}

/// A sequence, waiting or running.
#[derive(Clone, Debug)]
struct Sequence {
    priority: Priority,
    /// The prompt and the answer so far.
    tokens: Vec<u32>,
    /// How many of them are the prompt.
    prompt_length: usize,
    /// How many of them have keys and values in the cache.
    cached: usize,
    /// Blocks for all `tokens` while running, none while waiting.
    blocks: Vec<BlockId>,
    /// Whether a forward pass may keep state of it.
    known_to_model: bool,
}

impl Sequence {
    /// What is read next.
    fn phase(&self) -> Phase {
        match self.cached < self.prompt_length {
            true => Phase::Prompt,
            false => Phase::Answer,
        }
    }

    /// Tokens of the present phase that are not yet in the cache. A step reads no further.
    fn pending(&self) -> usize {
        let end = match self.phase() {
            Phase::Prompt => self.prompt_length,
            Phase::Answer => self.tokens.len(),
        };
        end - self.cached
    }
}

/// Who takes part in the next forward pass. See the module's documentation for the rules.
#[derive(Clone, Debug)]
pub struct Scheduler {
    limits: SchedulerLimits,
    pool: BlockPool,
    running: BTreeMap<SequenceId, Sequence>,
    interactive: BTreeMap<SequenceId, Sequence>,
    background: BTreeMap<SequenceId, Sequence>,
    /// Ended or pre-empted since the last plan.
    ended: Vec<SequenceId>,
    interactive_in_a_row: u32,
    preemptions: u64,
}

impl Scheduler {
    /// An empty scheduler.
    #[must_use]
    pub fn new(limits: SchedulerLimits) -> Self {
        let slots = limits.slots.max(1);
        let limits = SchedulerLimits {
            slots,
            step_tokens: limits.step_tokens.max(slots),
            block_size: limits.block_size.max(1),
            ..limits
        };
        Self {
            limits,
            pool: BlockPool::new(limits.block_count),
            running: BTreeMap::new(),
            interactive: BTreeMap::new(),
            background: BTreeMap::new(),
            ended: Vec::new(),
            interactive_in_a_row: 0,
            preemptions: 0,
        }
    }

    /// Whether nothing runs and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting() == 0
    }

    /// Sequences that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Sequences that wait, pre-empted ones included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.interactive.len() + self.background.len()
    }

    /// Blocks in use.
    #[must_use]
    pub fn blocks_used(&self) -> usize {
        self.pool.used()
    }

    /// How often a sequence lost its blocks to another.
    #[must_use]
    pub fn preemptions(&self) -> u64 {
        self.preemptions
    }

    /// Puts a sequence at the end of its priority's queue.
    pub fn enqueue(&mut self, sequence: NewSequence) {
        debug_assert!(
            !sequence.tokens.is_empty(),
            "a sequence needs a token to read"
        );
        let NewSequence {
            id,
            priority,
            tokens,
        } = sequence;
        let blocks = Vec::new();
        let waiting = Sequence {
            priority,
            prompt_length: tokens.len(),
            tokens,
            cached: 0,
            blocks,
            known_to_model: false,
        };
        self.queue(priority).insert(id, waiting);
    }

    /// Adds the token that was chosen from a running sequence's logits. Unknown ids are ignored.
    pub fn append(&mut self, id: SequenceId, token: u32) {
        if let Some(sequence) = self.running.get_mut(&id) {
            sequence.tokens.push(token);
        }
    }

    /// Takes a sequence out, wherever it is, and frees its blocks. Unknown ids are ignored.
    pub fn remove(&mut self, id: SequenceId) {
        if let Some(mut sequence) = self.running.remove(&id) {
            self.release(id, &mut sequence);
        } else {
            self.interactive.remove(&id);
            self.background.remove(&id);
        }
    }

    /// The next step. Its `sequences` are empty only if nothing can run.
    #[must_use]
    pub fn plan(&mut self) -> StepPlan {
        let preempted = self.grow_running();
        if !preempted {
            self.admit_waiting();
        }
        let shares = self.share_tokens();
        let block_size = self.limits.block_size;
        let sequences: Vec<_> = self
            .running
            .iter_mut()
            .zip(shares)
            .filter_map(|((&sequence, state), share)| {
                let end = state.cached + share;
                let step = SequenceStep {
                    sequence,
                    tokens: state.tokens.get(state.cached..end)?.to_vec(),
                    start: state.cached,
                    phase: state.phase(),
                    prompt_length: state.prompt_length,
                    block_table: state.blocks.get(..end.div_ceil(block_size))?.to_vec(),
                    logits: match end == state.tokens.len() {
                        true => LogitRows::Last,
                        false => LogitRows::None,
                    },
                };
                state.known_to_model = true;
                Some(step)
            })
            .collect();
        let ended = match sequences.is_empty() {
            true => Vec::new(),
            false => std::mem::take(&mut self.ended),
        };
        StepPlan { sequences, ended }
    }

    /// Notes that the plan's tokens are in the cache now.
    pub fn complete(&mut self, plan: &StepPlan) {
        for step in &plan.sequences {
            if let Some(sequence) = self.running.get_mut(&step.sequence) {
                sequence.cached = step.start + step.tokens.len();
            }
        }
    }

    fn queue(&mut self, priority: Priority) -> &mut BTreeMap<SequenceId, Sequence> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Background => &mut self.background,
        }
    }

    fn release(&mut self, id: SequenceId, sequence: &mut Sequence) {
        for block in sequence.blocks.drain(..) {
            self.pool.release(block);
        }
        sequence.cached = 0;
        if std::mem::take(&mut sequence.known_to_model) {
            self.ended.push(id);
        }
    }

    /// Running sequences, the most important first: by priority, then by arrival.
    fn by_importance(&self) -> Vec<SequenceId> {
        let mut order: Vec<_> = self
            .running
            .iter()
            .map(|(&id, state)| (Reverse(state.priority), id))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Gives every running sequence blocks for all its tokens. When blocks run out, the least
    /// important sequences go back to their queues; returns whether one did.
    fn grow_running(&mut self) -> bool {
        let block_size = self.limits.block_size;
        let missing =
            |state: &Sequence| state.tokens.len().div_ceil(block_size) > state.blocks.len();
        if !self.running.values().any(missing) {
            return false;
        }
        let mut order = self.by_importance();
        let before = order.len();
        let mut next = 0;
        while let Some(&id) = order.get(next) {
            let Some(state) = self.running.get_mut(&id) else {
                break;
            };
            let count = state
                .tokens
                .len()
                .div_ceil(block_size)
                .saturating_sub(state.blocks.len());
            if self.pool.allocate(count, &mut state.blocks) {
                next += 1;
            } else if let Some(victim) = order.pop() {
                self.preempt(victim);
            }
        }
        order.len() < before
    }

    fn preempt(&mut self, id: SequenceId) {
        if let Some(mut sequence) = self.running.remove(&id) {
            self.release(id, &mut sequence);
            self.preemptions += 1;
            // Ids rise with arrival: it arrived before all that still wait, so it is their head.
            self.queue(sequence.priority).insert(id, sequence);
        }
    }

    fn admit_waiting(&mut self) {
        while self.running.len() < self.limits.slots {
            let Some(priority) = self.next_priority() else {
                return;
            };
            let Some((id, mut sequence)) = self.queue(priority).pop_first() else {
                return;
            };
            let needed = sequence.tokens.len().div_ceil(self.limits.block_size);
            // Each running sequence, this one too, may want a block soon: without that room the
            // newcomer would be pre-empted at once.
            let headroom = match self.running.len() {
                0 => 0,
                running => running + 1,
            };
            if needed + headroom > self.pool.free()
                || !self.pool.allocate(needed, &mut sequence.blocks)
            {
                self.queue(priority).insert(id, sequence);
                return;
            }
            self.interactive_in_a_row = match priority {
                Priority::Interactive => self.interactive_in_a_row.saturating_add(1),
                Priority::Background => 0,
            };
            self.running.insert(id, sequence);
        }
    }

    /// Which queue's head is admitted next, if any may be.
    fn next_priority(&self) -> Option<Priority> {
        let background = !self.background.is_empty() && self.has_room_for_background();
        if background && self.interactive_in_a_row >= BACKGROUND_TURN {
            return Some(Priority::Background);
        }
        if !self.interactive.is_empty() {
            return Some(Priority::Interactive);
        }
        background.then_some(Priority::Background)
    }

    fn has_room_for_background(&self) -> bool {
        let running = self
            .running
            .values()
            .filter(|state| state.priority == Priority::Background)
            .count();
        running < self.limits.slots.saturating_sub(1).max(1)
    }

    /// How many tokens each running sequence reads in this step, in the order of `running`.
    fn share_tokens(&self) -> Vec<usize> {
        let mut shares = vec![1; self.running.len()];
        let mut left = self.limits.step_tokens.saturating_sub(self.running.len());
        if self.running.values().any(|state| state.pending() == 1) {
            left = left.min(self.limits.prompt_tokens_beside_answers);
        }
        let mut prompts: Vec<_> = self
            .running
            .iter()
            .enumerate()
            .filter(|(_, (_, state))| state.pending() > 1)
            .map(|(index, (&id, state))| (Reverse(state.priority), id, index, state.pending() - 1))
            .collect();
        prompts.sort_unstable();
        let mut give = |index: usize, amount: usize| {
            if let Some(share) = shares.get_mut(index) {
                *share += amount;
            }
        };
        let oldest = prompts.first().copied();
        if let Some((_, _, index, rest)) = oldest {
            let amount = rest.min(left.div_ceil(2));
            give(index, amount);
            left -= amount;
            if let Some(first) = prompts.first_mut() {
                first.3 = rest - amount;
            }
        }
        prompts.sort_by_key(|&(_, _, _, rest)| rest);
        for (_, _, index, rest) in prompts {
            let amount = rest.min(left);
            give(index, amount);
            left -= amount;
        }
        shares
    }
}

#[cfg(test)]
mod tests;
