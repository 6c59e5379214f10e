//! [`Sequence`]: what the scheduler knows of one sequence.

use super::SchedulerLimits;
use super::tenants::Tenant;
use crate::contract::{BlockId, Phase, Priority};
use crate::kv::{BlockKey, CachedBlocks};
use std::collections::VecDeque;

/// A sequence, waiting or running.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) priority: Priority,
    pub(super) tenant: Tenant,
    /// The prompt and the answer so far.
    pub(super) tokens: Vec<u32>,
    /// How many of them are the prompt.
    pub(super) prompt_length: usize,
    /// How many of them have keys and values in the cache.
    pub(super) cached: usize,
    /// Blocks for all `tokens` while running, none while waiting.
    pub(super) blocks: Vec<BlockId>,
    /// Whether a forward pass may keep state of it.
    pub(super) known_to_model: bool,
    /// Tokens of the prompt that were found in the cache when they were first wanted.
    pub(super) reused: usize,
    /// How many tokens had keys and values before it last lost its blocks.
    pub(super) reached: usize,
    /// Guesses of the next tokens, read beside the last one when there is room.
    pub(super) draft: Vec<u32>,
    /// Guesses whose rows were computed and whose truth is not known yet.
    pub(super) unverified: VecDeque<u32>,
    /// Names of the leading full blocks; the root is before the first.
    root: BlockKey,
    keys: Vec<BlockKey>,
    /// Leading blocks that were published or found.
    published: usize,
}

impl Sequence {
    pub(super) fn new(
        priority: Priority,
        tenant: Tenant,
        root: BlockKey,
        tokens: Vec<u32>,
    ) -> Self {
        Self {
            priority,
            tenant,
            prompt_length: tokens.len(),
            tokens,
            cached: 0,
            blocks: Vec::new(),
            known_to_model: false,
            reused: 0,
            reached: 0,
            draft: Vec::new(),
            unverified: VecDeque::new(),
            root,
            keys: Vec::new(),
            published: 0,
        }
    }

    /// What is read next.
    pub(super) fn phase(&self) -> Phase {
        match self.cached < self.prompt_length {
            true => Phase::Prompt,
            false => Phase::Answer,
        }
    }

    /// Tokens of the present phase that are not yet in the cache. A step reads no further.
    pub(super) fn pending(&self) -> usize {
        let end = match self.phase() {
            Phase::Prompt => self.prompt_length,
            Phase::Answer => self.tokens.len(),
        };
        end - self.cached
    }

    /// Blocks that are missing for all tokens.
    pub(super) fn missing_blocks(&self, block_size: usize) -> usize {
        self.tokens
            .len()
            .div_ceil(block_size)
            .saturating_sub(self.blocks.len())
    }

    /// Adds the token that was chosen. Returns whether it was a guess that came true: its keys and
    /// values are in the cache already.
    pub(super) fn append(&mut self, token: u32) -> bool {
        self.tokens.push(token);
        let is_hit = self.unverified.pop_front() == Some(token);
        match is_hit {
            true => self.cached += 1,
            false => self.unverified.clear(),
        }
        is_hit
    }

    /// The name of full block `index`; `None` if it is not full of known tokens, or if it holds
    /// rows of two regimes: such a block and what follows it is never shared.
    fn key(&mut self, index: usize, limits: &SchedulerLimits) -> Option<BlockKey> {
        while self.keys.len() <= index {
            let start = self.keys.len() * limits.block_size;
            let end = start + limits.block_size;
            let tokens = self.tokens.get(start..end)?;
            let regime = |position: usize| limits.regime(self.prompt_length.max(position + 1));
            if regime(start) != regime(end - 1) {
                return None;
            }
            let last = self.keys.last().unwrap_or(&self.root);
            self.keys.push(last.followed_by(tokens, regime(start)));
        }
        self.keys.get(index).copied()
    }

    /// The name of the block that the next token to read begins, if that block may come from
    /// elsewhere: at least one token is always computed here.
    pub(super) fn wanted_block(&mut self, limits: &SchedulerLimits) -> Option<BlockKey> {
        if !limits.shares_blocks || !self.cached.is_multiple_of(limits.block_size) {
            return None;
        }
        match self.cached + limits.block_size < self.tokens.len() {
            true => self.key(self.cached / limits.block_size, limits),
            false => None,
        }
    }

    /// The name of the block that the next token to read goes into, if the prompt fills it.
    pub(super) fn block_in_work(&mut self, limits: &SchedulerLimits) -> Option<BlockKey> {
        let index = self.cached / limits.block_size;
        match limits.shares_blocks && (index + 1) * limits.block_size <= self.prompt_length {
            true => self.key(index, limits),
            false => None,
        }
    }

    /// Takes over the blocks that hold what it would read next, as far as there are any. A block
    /// of its own that was to hold the same is given back.
    pub(super) fn reuse(&mut self, blocks: &mut CachedBlocks, limits: &SchedulerLimits) {
        while let Some(key) = self.wanted_block(limits) {
            let Some(block) = blocks.reuse(key) else {
                return;
            };
            let index = self.cached / limits.block_size;
            match self.blocks.get_mut(index) {
                Some(own) => blocks.release(std::mem::replace(own, block)),
                None => self.blocks.push(block),
            }
            let end = self.cached + limits.block_size;
            let first = self.cached.max(self.reached);
            self.reused += end.min(self.prompt_length).saturating_sub(first);
            self.cached = end;
            self.published = index + 1;
        }
    }

    /// Lets others find the blocks that have become full.
    pub(super) fn publish(&mut self, blocks: &mut CachedBlocks, limits: &SchedulerLimits) {
        if !limits.shares_blocks {
            return;
        }
        while (self.published + 1) * limits.block_size <= self.cached {
            let index = self.published;
            let Some(key) = self.key(index, limits) else {
                return;
            };
            if let Some(&block) = self.blocks.get(index) {
                blocks.publish(key, block);
            }
            self.published = index + 1;
        }
    }

    /// Gives all blocks back, the last one first: of the kept ones, the end of a text is given up
    /// before its beginning, without which it could not be found.
    pub(super) fn release(&mut self, blocks: &mut CachedBlocks, limits: &SchedulerLimits) {
        self.publish(blocks, limits);
        for block in self.blocks.drain(..).rev() {
            blocks.release(block);
        }
        self.cached = 0;
        self.published = 0;
        self.draft.clear();
        self.unverified.clear();
    }

    /// Gives back blocks beyond its tokens: those of guesses that did not come true.
    pub(super) fn trim(&mut self, blocks: &mut CachedBlocks, limits: &SchedulerLimits) {
        let needed = self.tokens.len().div_ceil(limits.block_size);
        for block in self.blocks.drain(needed.min(self.blocks.len())..).rev() {
            blocks.release(block);
        }
    }
}
