//! [`Scheduler`]: who takes part in the next forward pass, and with how many tokens.
//!
//! Continuous batching (Yu et al., "Orca", OSDI 2022) with chunked prefill (Agrawal et al.,
//! "Sarathi-Serve", OSDI 2024) over paged blocks. Pure: values in, values out; no clock, no IO.
//!
//! The rules:
//! - every running sequence reads at least one token in every step; what that leaves of the step's
//!   tokens goes to prompts, but beside an answer that is being written only as many as keep the
//!   step within twice its time without them (`pace`). So a long prompt never stalls an answer,
//!   and no prompt stands still;
//! - users share alike: who has had the fewest tokens is admitted first and has his prompts read
//!   first (`tenants`, `share`). A user who asks for less than his share, as who waits for each
//!   answer before he asks again, leaves the rest to the others: running answers are never held
//!   back for fairness, since that would gain nobody much;
//! - a user's sequences are admitted in order of arrival within a priority. The first of the user
//!   whose turn it is is never overtaken, so it cannot starve; interactive work goes before
//!   background work, but every `BACKGROUND_TURN`th admission is background's when some waits, and
//!   background work leaves one slot free;
//! - full blocks whose text is known already are taken over instead of computed, at admission and
//!   whenever a prompt comes to the edge of a block; a prompt whose next block is just being
//!   computed by another sequence waits for it. The last token is always computed;
//! - when blocks run out, kept texts go first, the longest unused before others; then the youngest
//!   sequence of the lowest priority gives up its blocks and goes back to the head of its queue
//!   with the tokens it has: it is computed again later, its prompt and what it wrote in steps of
//!   their own ([`Phase`]);
//! - guesses of the next tokens are verified when no prompt is being read, in rows and blocks that
//!   nobody else wants.
//!
//! Precondition: no sequence grows beyond the cache's positions; then one sequence can always run.

use crate::contract::{
    CacheSalt, Geometry, LogitRows, Phase, Priority, SequenceId, SequenceStep, StepPlan,
};
use crate::kv::{BlockKey, CachedBlocks};
use queue::Queue;
use sequence::Sequence;
use share::Reader;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use tenants::{Tenant, Tenants};

mod admit;
mod pace;
mod queue;
mod sequence;
mod share;
mod tenants;
mod texts;

/// Prompt tokens beside answers before a step was measured.
const FIRST_PROMPT_TOKENS_BESIDE_ANSWERS: usize = 64;

/// What a scheduler may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerLimits {
    /// Sequences that run at once; 0 counts as 1.
    pub slots: usize,
    /// Tokens per step; fewer than `slots` counts as `slots`.
    pub step_tokens: usize,
    /// Of those, prompt tokens beyond the first of each prompt while any answer is being written:
    /// every answer waits for the whole step. `None` goes by the measured times.
    pub prompt_tokens_beside_answers: Option<usize>,
    /// Positions per block of the cache; 0 counts as 1.
    pub block_size: usize,
    /// Blocks of the cache.
    pub block_count: usize,
    /// As [`Geometry::shares_blocks`]: whether texts that were read are kept and found again.
    pub shares_blocks: bool,
    /// As [`Geometry::long_text`].
    pub long_text: Option<usize>,
}

impl SchedulerLimits {
    /// The limits of a model's cache, one slot, and a step of one block.
    #[must_use]
    pub fn of(geometry: &Geometry) -> Self {
        Self {
            slots: 1,
            step_tokens: geometry.block_size,
            prompt_tokens_beside_answers: None,
            block_size: geometry.block_size,
            block_count: geometry.block_count,
            shares_blocks: geometry.shares_blocks,
            long_text: geometry.long_text,
        }
    }

    /// Which kind of computation a row belongs to when so many tokens are known.
    fn regime(&self, known: usize) -> u8 {
        u8::from(self.long_text.is_some_and(|length| known > length))
    }
}

/// A sequence that wants to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSequence {
    /// Its id; ids rise in order of arrival.
    pub id: SequenceId,
    /// Who goes first.
    pub priority: Priority,
    /// Whose it is: users share the engine alike, and none finds what another's prompts left.
    pub cache_salt: CacheSalt,
    /// The prompt; not empty.
    pub tokens: Vec<u32>,
}

/// Who takes part in the next forward pass. See the module's documentation for the rules.
#[derive(Clone, Debug)]
pub struct Scheduler {
    limits: SchedulerLimits,
    blocks: CachedBlocks,
    running: BTreeMap<SequenceId, Sequence>,
    interactive: Queue,
    background: Queue,
    tenants: Tenants,
    pace: pace::Pace,
    /// Ended or pre-empted since the last plan.
    ended: Vec<SequenceId>,
    interactive_in_a_row: u32,
    preemptions: u64,
    reused_tokens: u64,
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
            blocks: CachedBlocks::new(limits.block_count),
            running: BTreeMap::new(),
            interactive: Queue::default(),
            background: Queue::default(),
            tenants: Tenants::default(),
            pace: pace::Pace::default(),
            ended: Vec::new(),
            interactive_in_a_row: 0,
            preemptions: 0,
            reused_tokens: 0,
        }
    }

    /// Whether nothing runs and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.interactive.is_empty() && self.background.is_empty()
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

    /// Blocks that sequences hold.
    #[must_use]
    pub fn blocks_used(&self) -> usize {
        self.blocks.used()
    }

    /// Blocks that nobody holds but whose text may be found again.
    #[must_use]
    pub fn blocks_kept(&self) -> usize {
        self.blocks.kept()
    }

    /// How often a sequence lost its blocks to another.
    #[must_use]
    pub fn preemptions(&self) -> u64 {
        self.preemptions
    }

    /// Tokens of prompts that were found in the cache, of all sequences that are gone.
    #[must_use]
    pub fn reused_tokens(&self) -> u64 {
        self.reused_tokens
    }

    /// Tokens of this sequence's prompt that were found in the cache; 0 for an unknown one.
    #[must_use]
    pub fn reused(&self, id: SequenceId) -> usize {
        self.running.get(&id).map_or(0, |sequence| sequence.reused)
    }

    /// Puts a sequence at the end of its user's queue.
    pub fn enqueue(&mut self, sequence: NewSequence) {
        debug_assert!(
            !sequence.tokens.is_empty(),
            "a sequence needs a token to read"
        );
        let NewSequence {
            id,
            priority,
            cache_salt,
            tokens,
        } = sequence;
        let tenant = Tenant::from(&cache_salt);
        let root = BlockKey::root(&cache_salt);
        self.tenants.enter(tenant);
        self.queue(priority)
            .insert(id, Sequence::new(priority, tenant, root, tokens));
    }

    /// Adds the token that was chosen from a running sequence's logits. Returns whether it was the
    /// next of its guesses, so that the row of that guess says what follows. Unknown ids are
    /// ignored.
    pub fn append(&mut self, id: SequenceId, token: u32) -> bool {
        let Some(sequence) = self.running.get_mut(&id) else {
            return false;
        };
        let is_hit = sequence.append(token);
        if is_hit {
            self.tenants.charge(sequence.tenant, 1);
        }
        is_hit
    }

    /// Takes a sequence out, wherever it is, and frees its blocks. Unknown ids are ignored.
    pub fn remove(&mut self, id: SequenceId) {
        let removed = match self.running.remove(&id) {
            Some(mut sequence) => {
                self.release(id, &mut sequence);
                Some(sequence)
            }
            None => self
                .interactive
                .remove(id)
                .or_else(|| self.background.remove(id)),
        };
        if let Some(sequence) = removed {
            self.reused_tokens += sequence.reused as u64;
            self.tenants.leave(sequence.tenant);
        }
    }

    /// How likely a guess must be for its row to pay; `None` while guesses are not wanted, because
    /// a prompt is being read.
    #[must_use]
    pub fn draft_threshold(&self) -> Option<f64> {
        if self.running.values().any(|state| !is_writing(state)) {
            return None;
        }
        // A row pays if it brings more tokens per time than the step as a whole.
        let rows = self.running.len();
        Some(self.pace.row_price(rows) * rows as f64)
    }

    /// Offers guesses of what follows a sequence's last token, for the next plan only.
    pub fn propose(&mut self, id: SequenceId, draft: Vec<u32>) {
        if let Some(sequence) = self.running.get_mut(&id) {
            sequence.draft = draft;
        }
    }

    /// The next step. Its `sequences` are empty only if nothing can run.
    #[must_use]
    pub fn plan(&mut self) -> StepPlan {
        for sequence in self.running.values_mut() {
            sequence.trim(&mut self.blocks, &self.limits);
        }
        let preempted = self.grow_running();
        if !preempted {
            self.admit_waiting();
        }
        let readers = self.readers();
        let shares = self.share_tokens(&readers);
        self.fit_drafts(&readers, &shares);
        let block_size = self.limits.block_size;
        let mut sequences = Vec::with_capacity(readers.len());
        for (reader, share) in readers.iter().zip(shares) {
            let Some(state) = self.running.get_mut(&reader.id) else {
                continue;
            };
            let draft = std::mem::take(&mut state.draft);
            let end = state.cached + share;
            let (Some(tokens), Some(block_table)) = (
                state.tokens.get(state.cached..end),
                state.blocks.get(..(end + draft.len()).div_ceil(block_size)),
            ) else {
                continue;
            };
            sequences.push(SequenceStep {
                sequence: reader.id,
                tokens: [tokens, &draft].concat(),
                start: state.cached,
                phase: state.phase(),
                prompt_length: state.prompt_length,
                block_table: block_table.to_vec(),
                logits: if !draft.is_empty() {
                    LogitRows::All
                } else if end == state.tokens.len() {
                    LogitRows::Last
                } else {
                    LogitRows::None
                },
            });
            state.unverified = draft.into();
            state.known_to_model = true;
        }
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
                let read = step.tokens.len() - sequence.unverified.len();
                sequence.cached = step.start + read;
                sequence.publish(&mut self.blocks, &self.limits);
                self.tenants.charge(sequence.tenant, read);
            }
        }
    }

    /// Notes how long the plan's step took, sampling included.
    pub fn note_time(&mut self, plan: &StepPlan, took: Duration) {
        let rows = |phase| {
            let of_phase = plan.sequences.iter().filter(|step| step.phase == phase);
            of_phase.map(|step| step.tokens.len()).sum()
        };
        self.pace
            .note(rows(Phase::Answer), rows(Phase::Prompt), took);
    }

    fn queue(&mut self, priority: Priority) -> &mut Queue {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Background => &mut self.background,
        }
    }

    fn release(&mut self, id: SequenceId, sequence: &mut Sequence) {
        sequence.release(&mut self.blocks, &self.limits);
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
        let mut states = self.running.values();
        if !states.any(|state| state.missing_blocks(block_size) > 0) {
            return false;
        }
        let mut order = self.by_importance();
        let before = order.len();
        let mut next = 0;
        while let Some(&id) = order.get(next) {
            let Some(state) = self.running.get_mut(&id) else {
                break;
            };
            let count = state.missing_blocks(block_size);
            if self.blocks.allocate(count, &mut state.blocks) {
                next += 1;
            } else if let Some(victim) = order.pop() {
                self.preempt(victim);
            }
        }
        order.len() < before
    }

    fn preempt(&mut self, id: SequenceId) {
        if let Some(mut sequence) = self.running.remove(&id) {
            sequence.reached = sequence.reached.max(sequence.cached);
            self.release(id, &mut sequence);
            self.preemptions += 1;
            // Ids rise with arrival: it came before all of its user's that still wait.
            self.queue(sequence.priority).insert(id, sequence);
        }
    }

    /// The running sequences that take part in the step, in order of arrival, once each has taken
    /// over what others have computed. Left out is who waits for a block that a more important
    /// sequence is just computing.
    fn readers(&mut self) -> Vec<Reader> {
        let mut in_work = HashSet::new();
        let mut readers = Vec::with_capacity(self.running.len());
        for id in self.by_importance() {
            let Some(state) = self.running.get_mut(&id) else {
                continue;
            };
            if state.phase() == Phase::Prompt {
                state.reuse(&mut self.blocks, &self.limits);
                if let Some(wanted) = state.wanted_block(&self.limits)
                    && in_work.contains(&wanted)
                {
                    continue;
                }
                in_work.extend(state.block_in_work(&self.limits));
            }
            readers.push(Reader {
                id,
                priority: state.priority,
                tenant: state.tenant,
                used: self.tenants.used(state.tenant),
                pending: state.pending(),
            });
        }
        readers.sort_unstable_by_key(|reader| reader.id);
        readers
    }

    /// How many tokens each reader reads in this step.
    fn share_tokens(&self, readers: &[Reader]) -> Vec<usize> {
        let budget = self.limits.step_tokens.saturating_sub(readers.len());
        let answers = readers.iter().filter(|reader| reader.pending == 1).count();
        let budget = match (answers, self.limits.prompt_tokens_beside_answers) {
            (0, _) => budget,
            (_, Some(most)) => budget.min(most),
            (answers, None) => {
                let first = FIRST_PROMPT_TOKENS_BESIDE_ANSWERS;
                // The first token of each prompt is given already.
                let prompts = readers.len() - answers;
                let beside = self.pace.prompt_tokens_beside(answers, first);
                budget.min(beside.saturating_sub(prompts))
            }
        };
        share::share(readers, budget)
    }

    /// Cuts the guesses to what the step has room for; none at all beside a prompt.
    fn fit_drafts(&mut self, readers: &[Reader], shares: &[usize]) {
        let is_only_writing = self.running.values().all(is_writing);
        let mut room = match is_only_writing {
            true => self.limits.step_tokens.saturating_sub(shares.iter().sum()),
            false => 0,
        };
        let block_size = self.limits.block_size;
        for reader in readers {
            let Some(state) = self.running.get_mut(&reader.id) else {
                continue;
            };
            let end = state.tokens.len() + state.draft.len().min(room);
            let missing = end.div_ceil(block_size).saturating_sub(state.blocks.len());
            let covered = match self.blocks.allocate(missing, &mut state.blocks) {
                true => end,
                false => end.min(state.blocks.len() * block_size),
            };
            let fitting = covered.saturating_sub(state.tokens.len());
            state.draft.truncate(fitting);
            room -= state.draft.len();
        }
    }
}

/// Whether a sequence has only its last token to read, and that token is its own.
fn is_writing(state: &Sequence) -> bool {
    state.phase() == Phase::Answer && state.pending() == 1
}

#[cfg(test)]
mod tests;
