//! [`Activity`]: how many requests of a connection are being answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How many requests of a connection are being answered. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicUsize,
    changed: Notify,
}

/// One request that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct OneRequest(Arc<Shared>);

impl Activity {
    /// Counts a request.
    pub(super) fn begin(&self) -> OneRequest {
        self.0.requests.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_one();
        OneRequest(Arc::clone(&self.0))
    }

    /// Resolves when there was no request for `period`. One task at a time may wait.
    pub(super) async fn idle_for(&self, period: Duration) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.requests.load(Ordering::SeqCst) > 0 {
                changed.await;
            } else if tokio::time::timeout(period, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for OneRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_not_idle_while_a_request_is_answered() {
        let activity = Activity::default();
        let request = activity.begin();
        let moment = Duration::from_millis(1);
        let waited = tokio::time::timeout(moment * 5, activity.idle_for(moment)).await;
        assert!(waited.is_err(), "idle in the middle of a request");
        drop(request);
        activity.idle_for(moment).await;
    }
}
