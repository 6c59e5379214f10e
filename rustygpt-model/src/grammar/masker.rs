//! [`Masker`]: masks, computed while the model computes logits.

use super::{GrammarError, Mask, Matcher};
use std::fmt;
use std::sync::mpsc;

/// A matcher that comes back with its mask.
#[derive(Debug)]
pub struct Masked<Key> {
    /// Whose it is.
    pub key: Key,
    /// The matcher.
    pub matcher: Matcher,
    /// Which tokens may come next.
    pub mask: Result<Mask, GrammarError>,
}

/// A thread that computes masks, so that a forward pass need not wait for them. It ends with this
/// handle.
pub struct Masker<Key> {
    work: mpsc::Sender<(Key, Matcher)>,
    done: mpsc::Receiver<Masked<Key>>,
    lent: usize,
}

impl<Key: Send + 'static> Masker<Key> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (work, received) = mpsc::channel::<(Key, Matcher)>();
        let (finished, done) = mpsc::channel();
        std::thread::Builder::new()
            .name("grammar".to_owned())
            .spawn(move || {
                for (key, mut matcher) in received {
                    let mask = matcher.mask();
                    if finished.send(Masked { key, matcher, mask }).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            work,
            done,
            lent: 0,
        })
    }

    /// Begins to compute a matcher's mask.
    pub fn lend(&mut self, key: Key, matcher: Matcher) {
        // The thread ends only with this handle: llguidance's panics are caught inside it.
        if self.work.send((key, matcher)).is_ok() {
            self.lent += 1;
        }
    }

    /// The matchers lent, each with its mask; waits for those that are not done.
    pub fn collect(&mut self) -> Vec<Masked<Key>> {
        (0..std::mem::take(&mut self.lent))
            .map_while(|_| self.done.recv().ok())
            .collect()
    }
}

impl<Key> fmt::Debug for Masker<Key> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Masker")
            .field("lent", &self.lent)
            .finish_non_exhaustive()
    }
}
