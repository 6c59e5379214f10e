//! [`Matcher`]: where one answer is in its grammar.

use super::{GrammarError, Mask};
use std::fmt;
use std::sync::Arc;

/// Where one answer is in its grammar.
pub struct Matcher {
    inner: llguidance::Matcher,
    /// Tokens that end the answer: allowed where the grammar may end.
    ending: Arc<[u32]>,
}

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The grammar goes on.
    Open,
    /// The text is complete and nothing may follow it.
    Complete,
}

impl Matcher {
    pub(super) fn new(inner: llguidance::Matcher, ending: Arc<[u32]>) -> Self {
        Self { inner, ending }
    }

    /// Which tokens may come next. Never empty.
    ///
    /// # Errors
    /// [`GrammarError::TooComplex`] when the grammar's bounds are reached here.
    pub fn mask(&mut self) -> Result<Mask, GrammarError> {
        let set = self.inner.compute_mask_or_eos().map_err(too_complex)?;
        let mut mask = Mask::new(&set);
        // The token behind the last one stands for an end.
        let end = set.len().saturating_sub(1) as u32;
        mask.forbid(end);
        for &token in &*self.ending {
            mask.forbid(token);
        }
        if self.may_end() {
            for &token in &*self.ending {
                mask.allow(token);
            }
        }
        match mask.is_empty() {
            true => Err(GrammarError::TooComplex(
                "no token of this model can go on here".to_owned(),
            )),
            false => Ok(mask),
        }
    }

    /// Whether the text so far is complete.
    pub fn may_end(&mut self) -> bool {
        self.inner.is_stopped() || self.inner.is_accepting().unwrap_or(false)
    }

    /// Takes a token that [`Self::mask`] allowed and that does not end the answer.
    ///
    /// # Errors
    /// [`GrammarError::TooComplex`] when the token does not fit; the matcher is of no use then.
    pub fn accept(&mut self, token: u32) -> Result<Progress, GrammarError> {
        self.inner.consume_token(token).map_err(too_complex)?;
        Ok(match self.inner.is_stopped() {
            true => Progress::Complete,
            false => Progress::Open,
        })
    }

    /// Takes text that was written before the grammar began to hold. Returns false, and leaves the
    /// matcher of no use, if it does not fit.
    pub fn accept_text(&mut self, text: &str) -> bool {
        let Ok(environment) = self.inner.tok_env() else {
            return false;
        };
        let tokens = environment.tok_trie().greedy_tokenize(text.as_bytes());
        self.inner
            .try_consume_tokens(&tokens)
            .is_ok_and(|taken| taken == tokens.len())
    }

    /// Whether the text is complete and nothing may follow it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.inner.is_stopped()
    }
}

fn too_complex(error: impl fmt::Display) -> GrammarError {
    GrammarError::TooComplex(first_line(&error.to_string()))
}

/// llguidance appends its state, and the grammar, to its messages.
pub(super) fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(300).collect()
}

impl fmt::Debug for Matcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Matcher")
            .field("is_stopped", &self.inner.is_stopped())
            .finish_non_exhaustive()
    }
}
