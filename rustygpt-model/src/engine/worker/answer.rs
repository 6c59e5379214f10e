//! What becomes of a step's logits: tokens, guesses that came true, text, ends.

use super::pieces::send;
use super::{INTERNAL_FAILURE, Masks, Worker};
use crate::contract::{
    FinishReason, GenerationEvent, LogitRows, Logits, SequenceId, StepPlan, TokenLogprob,
    TopLogprob, Usage,
};
use crate::engine::speculation::Speculator;
use crate::grammar::{GrammarError, Mask};
use crate::sampling::Chosen;
use crate::tokenizer::Tokenizer;
use std::sync::atomic::Ordering::Relaxed;

impl Worker {
    /// Chooses a token for every sequence whose last token was read, and more where guesses came
    /// true. Returns how many.
    pub(super) fn apply(&mut self, plan: &StepPlan, mut logits: Logits, masks: &Masks) -> u32 {
        let mut rows = logits.values.chunks_exact_mut(logits.vocabulary.max(1));
        let mut written = 0;
        for step in &plan.sequences {
            let guesses = match step.logits {
                LogitRows::All => step.tokens.len().saturating_sub(1),
                LogitRows::None | LogitRows::Last => 0,
            };
            if guesses > 0
                && let Some(choice) = self.choices.get_mut(&step.sequence)
                && let Some(speculator) = &mut choice.speculator
            {
                speculator.verify(guesses);
            }
            let mut chosen = 0;
            let mut goes_on = true;
            for row in rows.by_ref().take(step.logit_rows()) {
                // The rows behind a guess that did not come true say nothing.
                if goes_on {
                    let outcome = match chosen {
                        0 => self.choose(step.sequence, row, masks.get(&step.sequence)),
                        _ => self.choose_after_guess(step.sequence, row),
                    };
                    chosen += u32::from(outcome.is_some());
                    goes_on = outcome == Some(true);
                }
            }
            written += chosen;
            if guesses > 0 {
                let counters = &self.counters;
                counters.guesses.fetch_add(guesses as u64, Relaxed);
                let hits = u64::from(chosen.saturating_sub(1));
                counters.guesses_come_true.fetch_add(hits, Relaxed);
            }
        }
        self.counters
            .completion_tokens
            .fetch_add(u64::from(written), Relaxed);
        written
    }

    /// Chooses a sequence's next token among those that its mask allows. Returns whether it was
    /// guessed and its own row is there to go on with; `None` if there was nothing to choose.
    fn choose(
        &mut self,
        id: SequenceId,
        row: &mut [f32],
        mask: Option<&Result<Mask, GrammarError>>,
    ) -> Option<bool> {
        // A sequence may have gone within this very step, with the request that failed.
        let choice = self.choices.get_mut(&id)?;
        let number = choice.request;
        let mask = match mask.map(Result::as_ref).transpose() {
            Ok(mask) => mask,
            Err(error) => {
                self.fail(number, &error.to_string());
                return None;
            }
        };
        match choice
            .sampler
            .choose_allowed(row, mask, &mut self.workspace)
        {
            Ok(chosen) => Some(self.accept(id, chosen)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a row failed");
                self.fail(number, INTERNAL_FAILURE);
                None
            }
        }
    }

    /// As [`Self::choose`], behind a guess that came true: its mask could not be known before.
    fn choose_after_guess(&mut self, id: SequenceId, row: &mut [f32]) -> Option<bool> {
        let mask = self.choices.get_mut(&id)?.guide.mask();
        self.choose(id, row, mask.as_ref())
    }

    /// Adds a token to an answer. Returns whether it was guessed and the answer goes on.
    fn accept(&mut self, id: SequenceId, chosen: Chosen) -> bool {
        let Some(choice) = self.choices.get_mut(&id) else {
            return false;
        };
        let Some(request) = self.requests.get(&choice.request) else {
            return false;
        };
        choice.written += 1;
        let token = chosen.token;
        if let Some(speculator) = &mut choice.speculator {
            speculator.note(token);
        }
        if request.ending.contains(&token) {
            self.finish(id, FinishReason::Stop);
            return false;
        }
        let is_complete = match choice.guide.accept(token) {
            Ok(is_complete) => is_complete,
            Err(error) => {
                let number = choice.request;
                self.fail(number, &error.to_string());
                return false;
            }
        };
        let logprob = logprob(&self.tokenizer, chosen);
        choice.reasoned += u32::from(choice.decoder.is_reasoning());
        let decoded = choice.decoder.push(token, logprob);
        choice.guide.follow(&decoded.turns);
        let is_stopped = decoded.is_stopped;
        send(request, choice, decoded);
        if is_stopped {
            self.end(id, FinishReason::Stop);
            false
        } else if is_complete {
            self.finish(id, FinishReason::Stop);
            false
        } else if choice.written >= request.max_tokens {
            self.finish(id, FinishReason::Length);
            false
        } else {
            self.scheduler.append(id, token)
        }
    }

    /// Ends a choice, its held-back text first.
    pub(super) fn finish(&mut self, id: SequenceId, reason: FinishReason) {
        let Some(choice) = self.choices.get_mut(&id) else {
            return;
        };
        let Some(request) = self.requests.get(&choice.request) else {
            return;
        };
        let rest = choice.decoder.finish();
        // The last half of a stop string may only come out of the held-back bytes.
        let reason = match rest.is_stopped {
            true => FinishReason::Stop,
            false => reason,
        };
        send(request, choice, rest);
        self.end(id, reason);
    }

    fn end(&mut self, id: SequenceId, reason: FinishReason) {
        let cached_tokens = self.scheduler.reused(id) as u32;
        self.scheduler.remove(id);
        let Some(choice) = self.choices.remove(&id) else {
            return;
        };
        if let Some(began) = choice.began {
            self.speed
                .note_choice(self.clock.now().saturating_sub(began));
        }
        let Some(request) = self.requests.get_mut(&choice.request) else {
            return;
        };
        let speculator = choice.speculator.as_ref();
        let (accepted, rejected) = speculator.map_or((0, 0), Speculator::of_prediction);
        let usage = Usage {
            prompt_tokens: request.prompt_tokens,
            cached_tokens,
            completion_tokens: choice.written,
            reasoning_tokens: choice.reasoned,
            accepted_prediction_tokens: accepted,
            rejected_prediction_tokens: rejected,
        };
        let reason = match reason {
            FinishReason::Stop if choice.decoder.has_calls() => request.shape.calls_reason(),
            reason => reason,
        };
        let stop_string = choice.decoder.stop_string().map(str::to_owned);
        // The room is free before the client hears of it and asks again.
        request.unfinished.retain(|&other| other != id);
        request.place.shrink_to(request.unfinished.len());
        self.counters
            .running
            .store(self.scheduler.running(), Relaxed);
        // An error means that the client is gone; the next sweep frees the rest.
        let _ = request.events.send(GenerationEvent::Finish {
            choice: choice.index,
            reason,
            stop_string,
            usage,
        });
        if request.unfinished.is_empty() {
            self.requests.remove(&choice.request);
        }
    }
}

fn logprob(tokenizer: &Tokenizer, chosen: Chosen) -> Option<TokenLogprob> {
    let (logprob, row) = chosen.logprob?;
    let bytes = |id| tokenizer.token_bytes(id).into_owned();
    let top = row.top.into_iter();
    Some(TokenLogprob {
        id: chosen.token,
        bytes: bytes(chosen.token),
        logprob,
        top: top
            .map(|(id, logprob)| TopLogprob {
                id,
                bytes: bytes(id),
                logprob,
            })
            .collect(),
    })
}
