//! [`Bell`]: wakes the worker of this process when there is something to do.

use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes the worker of this process. Clones are of one bell. Workers of other processes find what
/// was enqueued when they next look.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Says that something was enqueued. It is not lost when nobody listens yet.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Resolves when it rings, or has rung since it was last heard.
    pub(super) async fn heard(&self) {
        self.0.notified().await;
    }
}
