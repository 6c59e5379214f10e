//! [`Guide`]: holds one answer to its grammars.

use crate::decode::Turn;
use crate::grammar::{Compiled, GrammarError, Mask, Matcher, Progress};
use std::sync::Arc;

/// Holds one answer to its grammars, where it has any.
#[derive(Debug)]
pub(super) struct Guide {
    /// `None` where the answer is free, and while the matcher is lent.
    matcher: Option<Matcher>,
    /// Holds from where the reasoning is over.
    whole: Option<Compiled>,
    /// Holds from where a call begins to where it ends.
    calls: Option<Compiled>,
    /// Whether the matcher is that of calls.
    is_in_call: bool,
    /// Tokens that may end the answer.
    ending: Arc<[u32]>,
}

impl Guide {
    /// At the start of an answer. `whole` holds from the first token, or from where the reasoning
    /// is over; `calls` wherever a call begins.
    pub(super) fn new(
        whole: Option<Compiled>,
        calls: Option<Compiled>,
        is_reasoning: bool,
        ending: Arc<[u32]>,
    ) -> Self {
        let mut guide = Self {
            matcher: None,
            whole,
            calls,
            is_in_call: false,
            ending,
        };
        if !is_reasoning {
            guide.begin_whole("");
        }
        guide
    }

    /// What may come next; `None` if any token may.
    pub(super) fn mask(&mut self) -> Option<Result<Mask, GrammarError>> {
        self.matcher.as_mut().map(Matcher::mask)
    }

    /// The matcher, to have its mask computed; `None` if any token may come.
    pub(super) fn lend(&mut self) -> Option<Matcher> {
        self.matcher.take()
    }

    /// Takes a lent matcher back.
    pub(super) fn take_back(&mut self, matcher: Matcher) {
        self.matcher = Some(matcher);
    }

    /// Takes a token that does not end the answer. Returns whether the answer is complete.
    ///
    /// # Errors
    /// [`GrammarError`] when the token does not fit; masks see to it that it does.
    pub(super) fn accept(&mut self, token: u32) -> Result<bool, GrammarError> {
        let Some(matcher) = &mut self.matcher else {
            return Ok(false);
        };
        let is_complete = matcher.accept(token)? == Progress::Complete;
        if is_complete && self.is_in_call {
            self.leave_call();
            return Ok(false);
        }
        Ok(is_complete)
    }

    /// Follows what the token that was just accepted did to the answer.
    pub(super) fn follow(&mut self, turns: &[Turn]) {
        for turn in turns {
            match turn {
                Turn::ReasoningOver(text) => self.begin_whole(text),
                Turn::CallBegan(text) => self.begin_call(text),
                Turn::CallsOver if self.is_in_call => self.leave_call(),
                Turn::CallsOver => {}
            }
        }
    }

    /// `text` was written in the same token as the mark before it.
    fn begin_whole(&mut self, text: &str) {
        if let Some(grammar) = self.whole.take() {
            self.matcher = self.begun(&grammar, text);
        }
    }

    fn begin_call(&mut self, text: &str) {
        if self.matcher.is_none()
            && let Some(grammar) = &self.calls
        {
            // Where the text does not fit, the answer stays free: it is no call then.
            self.matcher = self.begun(grammar, text);
            self.is_in_call = self.matcher.is_some();
        }
    }

    fn begun(&self, grammar: &Compiled, text: &str) -> Option<Matcher> {
        let mut matcher = grammar.matcher(Arc::clone(&self.ending));
        matcher.accept_text(text).then_some(matcher)
    }

    fn leave_call(&mut self) {
        self.matcher = None;
        self.is_in_call = false;
    }
}
