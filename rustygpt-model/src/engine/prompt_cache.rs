//! [`PromptCache`]: where an engine keeps what it has read, beyond its own life.

use std::path::PathBuf;
use std::time::Duration;

/// Where an engine keeps what it has read, beyond its own life: the blocks of the key/value cache
/// whose text a later prompt may begin with. They are read when the engine begins, and written when
/// it ends and when it has rested for a while.
#[derive(Clone, Debug)]
pub struct PromptCache {
    /// The file, of this model alone. Its folder exists.
    pub file: PathBuf,
    /// How large the file may become; of more blocks, those that were used last are kept.
    pub most_bytes: u64,
    /// Names the weights, as [`ModelFiles::fingerprint`](crate::weights::ModelFiles::fingerprint).
    pub model: [u8; 32],
    /// How long nothing must have been asked before the file is written while the engine runs.
    pub rest: Duration,
}
