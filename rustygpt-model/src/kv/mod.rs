//! The key/value cache's book-keeping: which blocks are whose. The values themselves live with
//! the [`Forward`](crate::contract::Forward) implementation.

mod block_pool;

pub use block_pool::BlockPool;
