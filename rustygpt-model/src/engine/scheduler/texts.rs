//! Texts that outlive the engine: kept blocks out, and blocks from elsewhere in.

use super::Scheduler;
use crate::contract::BlockId;
use crate::kv::BlockKey;

impl Scheduler {
    /// The blocks that no sequence holds but that still hold a text, the longest unused first.
    #[must_use]
    pub fn kept_texts(&self) -> Vec<(BlockKey, BlockId)> {
        self.blocks.kept_blocks().collect()
    }

    /// How many blocks were ever kept: whether there are other texts than before.
    #[must_use]
    pub fn texts_published(&self) -> u64 {
        self.blocks.published()
    }

    /// Blocks that can be had.
    #[must_use]
    pub fn blocks_available(&self) -> usize {
        self.blocks.available()
    }

    /// A block to fill; to be given back by [`Self::keep`] or [`Self::give_back`].
    pub fn blank_block(&mut self) -> Option<BlockId> {
        let mut table = Vec::with_capacity(1);
        match self.blocks.allocate(1, &mut table) {
            true => table.pop(),
            false => None,
        }
    }

    /// Lets sequences find blocks that were filled from elsewhere, the longest unused first.
    pub fn keep(&mut self, texts: &[(BlockKey, BlockId)]) {
        for &(key, block) in texts {
            self.blocks.publish(key, block);
            self.blocks.release(block);
        }
    }

    /// Takes back blocks that were not filled after all.
    pub fn give_back(&mut self, texts: &[(BlockKey, BlockId)]) {
        for &(_, block) in texts {
            self.blocks.release(block);
        }
    }
}
