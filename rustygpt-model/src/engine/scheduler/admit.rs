//! Who may begin.

use super::sequence::Sequence;
use super::tenants::Tenant;
use super::{Scheduler, is_writing};
use crate::contract::{Priority, SequenceId};
use std::collections::BTreeMap;

/// After this many interactive admissions in a row, waiting background work has one.
pub(super) const BACKGROUND_TURN: u32 = 8;

/// What a running sequence will at least still cost, beyond its prompt: counted against its user
/// when another slot is given away, so that free slots do not all go to who had a little less.
const EXPECTED_ANSWER: u64 = 128;

impl Scheduler {
    pub(super) fn admit_waiting(&mut self) {
        while self.running.len() < self.limits.slots {
            let Some(priority) = self.next_priority() else {
                return;
            };
            let Some((id, mut sequence)) = self.pop(priority) else {
                return;
            };
            let reused = sequence.reused;
            sequence.reuse(&mut self.blocks, &self.limits);
            let needed = sequence.missing_blocks(self.limits.block_size);
            // Each running sequence, this one too, may want a block soon: without that room the
            // newcomer would be pre-empted at once.
            let headroom = match self.running.len() {
                0 => 0,
                running => running + 1,
            };
            if needed + headroom > self.blocks.available()
                || !self.blocks.allocate(needed, &mut sequence.blocks)
            {
                sequence.release(&mut self.blocks, &self.limits);
                sequence.reused = reused;
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

    /// Takes out the sequence whose turn it is within a priority: of the user who has had least,
    /// what his running sequences are bound to cost included.
    fn pop(&mut self, priority: Priority) -> Option<(SequenceId, Sequence)> {
        let mut bound: BTreeMap<Tenant, u64> = BTreeMap::new();
        for state in self.running.values() {
            let prompt = match is_writing(state) {
                true => 0,
                false => state.pending() as u64,
            };
            *bound.entry(state.tenant).or_default() += prompt + EXPECTED_ANSWER;
        }
        let Self {
            tenants,
            interactive,
            background,
            ..
        } = self;
        let queue = match priority {
            Priority::Interactive => interactive,
            Priority::Background => background,
        };
        queue.pop(|tenant| tenants.used(tenant) + bound.get(&tenant).copied().unwrap_or(0))
    }

    /// Which queue is admitted from next, if any may be.
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
}
