//! [`CachedBlocks`]: the blocks of a paged cache, with the texts that idle ones still hold.

use super::{BlockKey, BlockPool, PrefixIndex};
use crate::contract::BlockId;

/// The blocks of a paged cache. A full block that was published stays findable after its last user
/// is gone, until its room is needed: the longest unused go first, and only when no blank block is
/// left. The index counts as one owner of every block it names.
#[derive(Clone, Debug)]
pub struct CachedBlocks {
    pool: BlockPool,
    index: PrefixIndex,
}

impl CachedBlocks {
    /// So many blank blocks.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            pool: BlockPool::new(count),
            index: PrefixIndex::default(),
        }
    }

    /// Blocks that sequences hold.
    #[must_use]
    pub fn used(&self) -> usize {
        self.pool.used() - self.index.idle()
    }

    /// Blocks that nobody holds but that still hold a text.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.index.idle()
    }

    /// The blocks that nobody holds but that still hold a text, the longest unused first.
    pub fn kept_blocks(&self) -> impl Iterator<Item = (BlockKey, BlockId)> {
        self.index.idle_blocks()
    }

    /// How many blocks were ever published.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.index.named()
    }

    /// Blocks that can be given out: blank ones and kept ones.
    #[must_use]
    pub fn available(&self) -> usize {
        self.pool.free() + self.index.idle()
    }

    /// Appends `count` blocks to `table`, each then with one user; all or none. Kept blocks lose
    /// their text when blank ones do not suffice. Returns whether there were enough.
    #[must_use]
    pub fn allocate(&mut self, count: usize, table: &mut Vec<BlockId>) -> bool {
        if count > self.available() {
            return false;
        }
        while self.pool.free() < count {
            match self.index.evict() {
                Some(block) => self.pool.release(block),
                None => return false,
            }
        }
        self.pool.allocate(count, table)
    }

    /// Takes one user of a block away.
    pub fn release(&mut self, block: BlockId) {
        self.pool.release(block);
        if self.pool.owners(block) == 1 && self.index.holds(block) {
            self.index.rest(block);
        }
    }

    /// Makes a block that is in use, full and final findable.
    pub fn publish(&mut self, key: BlockKey, block: BlockId) {
        if self.pool.owners(block) > 0 && self.index.insert(key, block) {
            let is_held = self.pool.share(block);
            debug_assert!(is_held, "published the free block {}", block.0);
        }
    }

    /// Becomes a user of the block of that name, if there is one.
    pub fn reuse(&mut self, key: BlockKey) -> Option<BlockId> {
        let block = self.index.find(key)?;
        if !self.pool.share(block) {
            return None;
        }
        self.index.wake(block);
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
    fn a_published_block_outlives_its_user_until_its_room_is_needed() {
        let mut blocks = CachedBlocks::new(2);
        let mut table = Vec::new();
        assert!(blocks.allocate(1, &mut table));
        let first = table[0];
        blocks.publish(key(1), first);
        blocks.release(first);
        assert_eq!(
            (blocks.used(), blocks.kept(), blocks.available()),
            (0, 1, 2)
        );
        assert_eq!(blocks.reuse(key(1)), Some(first));
        assert_eq!(
            (blocks.used(), blocks.kept(), blocks.available()),
            (1, 0, 1)
        );
        assert!(!blocks.allocate(2, &mut table));
        blocks.release(first);
        assert!(blocks.allocate(2, &mut table));
        assert_eq!(blocks.reuse(key(1)), None);
        assert_eq!(
            (blocks.used(), blocks.kept(), blocks.available()),
            (2, 0, 0)
        );
    }
}
