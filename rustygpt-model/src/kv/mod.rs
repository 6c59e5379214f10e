//! The key/value cache's book-keeping: which blocks are whose, and which texts they hold. The
//! values themselves live with the [`Forward`](crate::contract::Forward) implementation.

mod block_key;
mod block_pool;
mod cached_blocks;
mod prefix_index;
pub mod saved;

pub use block_key::BlockKey;
pub use block_pool::BlockPool;
pub use cached_blocks::CachedBlocks;
pub use prefix_index::PrefixIndex;
