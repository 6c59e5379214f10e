//! [`BlockPool`]: the blocks of a paged key/value cache (Kwon et al., "Efficient Memory Management
//! for Large Language Model Serving with PagedAttention", SOSP 2023).
//!
//! All blocks exist from the start; the pool only counts who holds which. It never touches the
//! cache's memory and never decides who gets a block.

use crate::contract::BlockId;

/// The blocks of a paged cache, each free or held by one or more owners.
#[derive(Clone, Debug)]
pub struct BlockPool {
    /// Free blocks; the last one is given out first, while its memory is warm.
    free: Vec<BlockId>,
    /// Owners of each block; 0 is free.
    owners: Vec<u32>,
}

impl BlockPool {
    /// A pool of `count` free blocks.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            free: (0..count).rev().map(BlockId).collect(),
            owners: vec![0; count as usize],
        }
    }

    /// Blocks in the pool.
    #[must_use]
    pub fn total(&self) -> usize {
        self.owners.len()
    }

    /// Blocks nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Blocks somebody holds.
    #[must_use]
    pub fn used(&self) -> usize {
        self.total() - self.free()
    }

    /// How many hold this block; 0 for a free or unknown one.
    #[must_use]
    pub fn owners(&self, block: BlockId) -> u32 {
        self.owners.get(block.0 as usize).copied().unwrap_or(0)
    }

    /// Appends `count` free blocks to `table`, each then with one owner; all or none. Returns
    /// whether there were enough.
    #[must_use]
    pub fn allocate(&mut self, count: usize, table: &mut Vec<BlockId>) -> bool {
        let Some(rest) = self.free.len().checked_sub(count) else {
            return false;
        };
        for block in self.free.drain(rest..).rev() {
            if let Some(owners) = self.owners.get_mut(block.0 as usize) {
                *owners = 1;
            }
            table.push(block);
        }
        true
    }

    /// Adds an owner to a held block. Returns whether it was held; a free block stays free.
    #[must_use]
    pub fn share(&mut self, block: BlockId) -> bool {
        match self.owners.get_mut(block.0 as usize) {
            Some(owners) if *owners > 0 => {
                *owners += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes one owner away; the last one frees the block. Releasing a free block is a bug of the
    /// caller and changes nothing.
    pub fn release(&mut self, block: BlockId) {
        let Some(owners) = self.owners.get_mut(block.0 as usize) else {
            debug_assert!(false, "released the unknown block {}", block.0);
            return;
        };
        debug_assert!(*owners > 0, "released the free block {}", block.0);
        match *owners {
            0 => {}
            1 => {
                *owners = 0;
                self.free.push(block);
            }
            _ => *owners -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn allocation_is_all_or_nothing() {
        let mut pool = BlockPool::new(3);
        let mut table = Vec::new();
        assert!(pool.allocate(2, &mut table));
        assert!(!pool.allocate(2, &mut table));
        assert_eq!(table, [BlockId(0), BlockId(1)]);
        assert_eq!((pool.used(), pool.free()), (2, 1));
    }

    #[test]
    fn a_shared_block_is_freed_by_its_last_owner() {
        let mut pool = BlockPool::new(1);
        let mut table = Vec::new();
        assert!(!pool.share(BlockId(0)));
        assert!(pool.allocate(1, &mut table));
        assert!(pool.share(BlockId(0)));
        pool.release(BlockId(0));
        assert_eq!(pool.free(), 0);
        pool.release(BlockId(0));
        assert_eq!(pool.free(), 1);
    }

    proptest! {
        /// Against a plain map of owners: nothing is lost, nothing given out twice.
        #[test]
        fn owners_are_counted_like_a_map_of_counts(
            total in 1usize..24,
            operations in prop::collection::vec((0u8..3, 0usize..64), 0..300),
        ) {
            let mut pool = BlockPool::new(total);
            let mut model: HashMap<BlockId, u32> = HashMap::new();
            for (operation, value) in operations {
                let mut held: Vec<_> = model.keys().copied().collect();
                held.sort_unstable();
                let chosen = (!held.is_empty()).then(|| held[value % held.len()]);
                match (operation, chosen) {
                    (0, _) => {
                        let count = value % 6;
                        let mut table = Vec::new();
                        let fits = count <= total - model.len();
                        prop_assert_eq!(pool.allocate(count, &mut table), fits);
                        prop_assert_eq!(table.len(), if fits { count } else { 0 });
                        for block in table {
                            prop_assert!((block.0 as usize) < total);
                            prop_assert_eq!(model.insert(block, 1), None);
                        }
                    }
                    (1, Some(block)) => {
                        prop_assert!(pool.share(block));
                        *model.entry(block).or_default() += 1;
                    }
                    (_, Some(block)) => {
                        pool.release(block);
                        if let Some(owners) = model.get_mut(&block) {
                            *owners -= 1;
                        }
                        model.retain(|_, owners| *owners > 0);
                    }
                    _ => {}
                }
                prop_assert_eq!(pool.used(), model.len());
                prop_assert_eq!(pool.used() + pool.free(), total);
                for index in 0..total {
                    let block = BlockId(u32::try_from(index).unwrap());
                    prop_assert_eq!(pool.owners(block), model.get(&block).copied().unwrap_or(0));
                }
            }
        }
    }
}
