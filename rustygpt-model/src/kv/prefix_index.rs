//! [`PrefixIndex`]: which full blocks of the cache hold which text.
//!
//! Hash-chained blocks as in Kwon et al.'s PagedAttention (SOSP 2023) and vLLM's automatic prefix
//! caching. The index only knows names and an order of age; who holds a block is
//! [`BlockPool`](super::BlockPool)'s business, and the two are kept in step by
//! [`CachedBlocks`](super::CachedBlocks).

use super::BlockKey;
use crate::contract::BlockId;
use std::collections::{BTreeMap, HashMap};

/// Which full blocks hold which text, and which of them nobody uses, the longest idle first.
#[derive(Clone, Debug, Default)]
pub struct PrefixIndex {
    blocks: HashMap<BlockKey, BlockId>,
    entries: HashMap<BlockId, Entry>,
    /// Blocks that only the index holds, by the moment they came to rest.
    idle: BTreeMap<u64, BlockId>,
    /// Counts the blocks that came to rest.
    moment: u64,
    /// Counts the names that were given.
    named: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: BlockKey,
    /// Its place in `idle`.
    idle_since: Option<u64>,
}

impl PrefixIndex {
    /// The block of that name.
    #[must_use]
    pub fn find(&self, key: BlockKey) -> Option<BlockId> {
        self.blocks.get(&key).copied()
    }

    /// Whether the index knows this block.
    #[must_use]
    pub fn holds(&self, block: BlockId) -> bool {
        self.entries.contains_key(&block)
    }

    /// Blocks that only the index holds.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// The blocks that only the index holds, the longest idle first.
    pub fn idle_blocks(&self) -> impl Iterator<Item = (BlockKey, BlockId)> {
        let entries = self.idle.values();
        entries.filter_map(|&block| Some((self.entries.get(&block)?.key, block)))
    }

    /// How many names were ever given: what has changed since another count.
    #[must_use]
    pub fn named(&self) -> u64 {
        self.named
    }

    /// Names a block that is in use. Returns whether it is known now: not when another block has
    /// that name already, nor when this block has one.
    pub fn insert(&mut self, key: BlockKey, block: BlockId) -> bool {
        if self.blocks.contains_key(&key) || self.holds(block) {
            return false;
        }
        self.blocks.insert(key, block);
        let idle_since = None;
        self.entries.insert(block, Entry { key, idle_since });
        self.named += 1;
        true
    }

    /// Notes that nobody but the index holds this block any more.
    pub fn rest(&mut self, block: BlockId) {
        if let Some(entry) = self.entries.get_mut(&block)
            && entry.idle_since.is_none()
        {
            entry.idle_since = Some(self.moment);
            self.idle.insert(self.moment, block);
            self.moment += 1;
        }
    }

    /// Notes that somebody uses this block.
    pub fn wake(&mut self, block: BlockId) {
        if let Some(entry) = self.entries.get_mut(&block)
            && let Some(moment) = entry.idle_since.take()
        {
            self.idle.remove(&moment);
        }
    }

    /// Forgets the block that nobody used for longest, and names it.
    pub fn evict(&mut self) -> Option<BlockId> {
        let (_, block) = self.idle.pop_first()?;
        if let Some(entry) = self.entries.remove(&block) {
            self.blocks.remove(&entry.key);
        }
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::CacheSalt;

    fn key(token: u32) -> BlockKey {
        BlockKey::root(&CacheSalt::default()).followed_by(&[token], 0)
    }

    #[test]
    fn the_longest_idle_block_goes_first_and_a_used_one_never() {
        let mut index = PrefixIndex::default();
        for block in 0..3 {
            assert!(index.insert(key(block), BlockId(block)));
        }
        index.rest(BlockId(1));
        index.rest(BlockId(0));
        index.rest(BlockId(2));
        index.wake(BlockId(1));
        index.rest(BlockId(1));
        index.wake(BlockId(2));
        assert_eq!(index.idle(), 2);
        assert_eq!(index.evict(), Some(BlockId(0)));
        assert_eq!(index.evict(), Some(BlockId(1)));
        assert_eq!(index.evict(), None);
        assert_eq!(index.find(key(2)), Some(BlockId(2)));
        assert_eq!(index.find(key(0)), None);
    }

    #[test]
    fn a_name_belongs_to_one_block_and_a_block_has_one_name() {
        let mut index = PrefixIndex::default();
        assert!(index.insert(key(1), BlockId(1)));
        assert!(!index.insert(key(1), BlockId(2)));
        assert!(!index.insert(key(2), BlockId(1)));
        assert_eq!(index.find(key(1)), Some(BlockId(1)));
    }
}
