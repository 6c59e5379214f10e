//! [`Queue`]: which texts share the next forward pass. Values in, values out.
//!
//! Requests are served in turns, one text each, so that a request of two thousand texts does not
//! keep one of a single text waiting. Within a request the longest texts come first: texts of a
//! pass are of similar length, and a pass takes as long as its longest share of work.

use std::collections::VecDeque;

/// Names a request for as long as it is in the queue.
pub type RequestNumber = u64;

/// A text: its request and its index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextNumber {
    /// The request.
    pub request: RequestNumber,
    /// Which of its texts, counted from 0.
    pub index: usize,
}

/// Texts that wait for a forward pass.
#[derive(Debug)]
pub struct Queue {
    slots: usize,
    step_tokens: usize,
    /// In order of arrival; the first `slots` take turns.
    requests: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: RequestNumber,
    /// Indices and lengths of the texts that wait, the next one last.
    texts: Vec<(usize, usize)>,
}

impl Queue {
    /// An empty queue. `slots` requests share passes of `step_tokens` tokens; a longer text has a
    /// pass of its own.
    #[must_use]
    pub fn new(slots: usize, step_tokens: usize) -> Self {
        Self {
            slots: slots.max(1),
            step_tokens,
            requests: VecDeque::new(),
        }
    }

    /// Adds a request, whose texts have these lengths in tokens.
    pub fn push(&mut self, number: RequestNumber, lengths: impl IntoIterator<Item = usize>) {
        let mut texts: Vec<(usize, usize)> = lengths.into_iter().enumerate().collect();
        // Of equal ones the first comes first.
        texts.sort_by_key(|&(index, length)| (length, std::cmp::Reverse(index)));
        self.requests.push_back(Waiting { number, texts });
    }

    /// Takes out a request, with all of its texts that still wait.
    pub fn remove(&mut self, number: RequestNumber) {
        self.requests.retain(|waiting| waiting.number != number);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes out the texts of the next pass: at least one while anything waits, and no more tokens
    /// than a pass may have unless it is one text.
    pub fn next_pass(&mut self) -> Vec<TextNumber> {
        let mut pass = Vec::new();
        let mut tokens = 0;
        let mut took_one = true;
        while took_one {
            took_one = false;
            for waiting in self.requests.iter_mut().take(self.slots) {
                let Some(&(index, length)) = waiting.texts.last() else {
                    continue;
                };
                if !pass.is_empty() && tokens + length > self.step_tokens {
                    continue;
                }
                tokens += length;
                took_one = true;
                waiting.texts.pop();
                pass.push(TextNumber {
                    request: waiting.number,
                    index,
                });
            }
        }
        self.requests.retain(|waiting| !waiting.texts.is_empty());
        // The next pass begins with whom this one ended.
        let turning = self.requests.len().min(self.slots);
        if turning > 1 {
            self.requests.make_contiguous()[..turning].rotate_left(1);
        }
        pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(pass: &[TextNumber]) -> Vec<(RequestNumber, usize)> {
        pass.iter().map(|text| (text.request, text.index)).collect()
    }

    #[test]
    fn a_single_text_does_not_wait_for_a_large_request() {
        let mut queue = Queue::new(8, 100);
        queue.push(1, [50; 1000]);
        assert_eq!(numbers(&queue.next_pass()), [(1, 0), (1, 1)]);
        queue.push(2, [50]);
        assert_eq!(numbers(&queue.next_pass()), [(1, 2), (2, 0)]);
    }

    #[test]
    fn long_texts_go_together_and_the_longest_alone() {
        let mut queue = Queue::new(8, 100);
        queue.push(1, [10, 500, 40, 60, 10]);
        assert_eq!(numbers(&queue.next_pass()), [(1, 1)]);
        assert_eq!(numbers(&queue.next_pass()), [(1, 3), (1, 2)]);
        assert_eq!(numbers(&queue.next_pass()), [(1, 0), (1, 4)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_request_that_goes_away_leaves_nothing() {
        let mut queue = Queue::new(1, 100);
        queue.push(1, [60; 3]);
        queue.push(2, [60]);
        queue.next_pass();
        queue.remove(1);
        assert_eq!(numbers(&queue.next_pass()), [(2, 0)]);
        assert!(queue.next_pass().is_empty());
    }

    proptest! {
        #[test]
        fn every_text_has_one_pass_and_no_pass_is_too_long(
            requests in prop::collection::vec(prop::collection::vec(1usize..200, 1..20), 1..20),
            slots in 1usize..5,
            step_tokens in 1usize..300,
        ) {
            let mut queue = Queue::new(slots, step_tokens);
            for (number, lengths) in requests.iter().enumerate() {
                queue.push(number as u64, lengths.iter().copied());
            }
            let mut seen = std::collections::BTreeSet::new();
            while !queue.is_empty() {
                let pass = numbers(&queue.next_pass());
                prop_assert!(!pass.is_empty());
                let tokens: usize = pass.iter().map(|&(n, i)| requests[n as usize][i]).sum();
                prop_assert!(tokens <= step_tokens || pass.len() == 1);
                for text in pass {
                    prop_assert!(seen.insert(text), "{text:?} twice");
                }
            }
            prop_assert_eq!(seen.len(), requests.iter().map(Vec::len).sum::<usize>());
        }
    }
}
