//! [`Sampler`]: chooses the tokens of one choice of a request.

use super::filter::{self, Candidate};
use super::penalty::History;
use super::{RowLogprob, Settings, draw, row};
use crate::grammar::Mask;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use std::sync::Arc;

/// What a [`Sampler`] starts from.
#[derive(Clone, Debug)]
pub struct SamplerSetup<'a> {
    /// How tokens are chosen.
    pub settings: Arc<Settings>,
    /// Start of the random stream.
    pub seed: u64,
    /// The prompt, for the repetition penalty.
    pub prompt: &'a [u32],
    /// Tokens that end an answer.
    pub ending: Arc<[u32]>,
    /// Ending tokens are forbidden before this many tokens.
    pub min_tokens: u32,
    /// How many likeliest tokens to report, if log-probabilities are wanted.
    pub logprobs: Option<u8>,
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Its id.
    pub token: u32,
    /// Its log-probability under the model's unmodified distribution, and the likeliest tokens,
    /// if asked for.
    pub logprob: Option<(f32, RowLogprob)>,
}

/// No token of the row can be chosen: all logits are minus infinity or no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model gave no token that could be chosen")]
pub struct NothingPossible;

/// Memory that samplers share, so that a token needs no allocation.
#[derive(Debug, Default)]
pub struct Workspace {
    candidates: Vec<Candidate>,
    changed: Vec<(u32, f32)>,
}

/// Chooses the tokens of one choice of a request: the same settings, seed and rows always give the
/// same tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: Arc<Settings>,
    random: ChaCha12Rng,
    history: History,
    ending: Arc<[u32]>,
    min_tokens: u32,
    logprobs: Option<u8>,
    written: u32,
}

impl Sampler {
    /// A sampler at the start of an answer.
    #[must_use]
    pub fn new(setup: SamplerSetup<'_>) -> Self {
        let history = History::new(&setup.settings, setup.prompt);
        Self {
            settings: setup.settings,
            random: ChaCha12Rng::seed_from_u64(setup.seed),
            history,
            ending: setup.ending,
            min_tokens: setup.min_tokens,
            logprobs: setup.logprobs,
            written: 0,
        }
    }

    /// Chooses the next token and remembers it. The row's values are changed on the way;
    /// `workspace` only saves allocations.
    ///
    /// # Errors
    /// [`NothingPossible`]; never panics, whatever the logits.
    pub fn choose(
        &mut self,
        logits: &mut [f32],
        workspace: &mut Workspace,
    ) -> Result<Chosen, NothingPossible> {
        self.choose_allowed(logits, None, workspace)
    }

    /// As [`Self::choose`], among the tokens that a grammar allows. Log-probabilities stay those
    /// of the model's unmodified distribution. Where the grammar allows ending tokens only, they
    /// are taken although `min_tokens` is not reached.
    ///
    /// # Errors
    /// [`NothingPossible`]; never panics, whatever the logits.
    pub fn choose_allowed(
        &mut self,
        logits: &mut [f32],
        allowed: Option<&Mask>,
        workspace: &mut Workspace,
    ) -> Result<Chosen, NothingPossible> {
        let model = match self.logprobs {
            Some(top) => Some(RowLogprob::read(logits, usize::from(top)).ok_or(NothingPossible)?),
            None => None,
        };
        let must_go_on = self.written < self.min_tokens
            && allowed.is_none_or(|mask| mask.allows_other_than(&self.ending));
        let forbidden = match must_go_on {
            true => &*self.ending,
            false => &[],
        };
        let Workspace {
            candidates,
            changed,
        } = workspace;
        changed.clear();
        self.history
            .apply(&self.settings, forbidden, logits, |token, before| {
                if model.is_some() {
                    changed.push((token, before));
                }
            });
        if let Some(mask) = allowed {
            mask.apply(logits);
        }
        let (likeliest, maximum) = row::first_maximum(logits).ok_or(NothingPossible)?;
        let token = if self.settings.temperature == 0.0 || maximum.is_infinite() {
            likeliest as u32
        } else if filter::is_any_active(&self.settings) {
            filter::keep(&self.settings, logits, maximum, candidates);
            draw::from_candidates(candidates, &mut self.random).ok_or(NothingPossible)?
        } else {
            let scale = self.settings.temperature.recip();
            draw::from_row(logits, maximum, scale, &mut self.random).ok_or(NothingPossible)?
        };
        self.history.note(&self.settings, token);
        self.written = self.written.saturating_add(1);
        let logprob = model.map(|model| {
            // The first change of a token recorded its unmodified logit.
            let unmodified = changed.iter().find(|(changed, _)| *changed == token);
            let logit = match unmodified {
                Some(&(_, before)) => before,
                None => logits
                    .get(token as usize)
                    .copied()
                    .unwrap_or(f32::NEG_INFINITY),
            };
            (model.of(logit), model)
        });
        Ok(Chosen { token, logprob })
    }
}

#[cfg(test)]
mod tests;
