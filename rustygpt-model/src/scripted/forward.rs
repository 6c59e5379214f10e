//! [`ScriptedForward`]: the model of a [`Script`].

use super::{Failure, Script};
use crate::contract::{
    Forward, ForwardError, Geometry, Logits, SequenceId, SequenceStep, StepPlan,
};
use crate::tokenizer::Tokenizer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers kept; the oldest are forgotten. A pre-empted sequence looks like an ended one, so the
/// end of a sequence is no reason to forget.
const ANSWERS_KEPT: usize = 4096;

/// A model whose cache holds the tokens and whose logits follow a script.
pub(super) struct ScriptedForward {
    script: Script,
    tokenizer: Arc<Tokenizer>,
    /// The token at each slot of the cache.
    cache: Vec<Option<u32>>,
    answers: BTreeMap<SequenceId, Answer>,
    steps: u64,
}

struct Answer {
    tokens: Vec<u32>,
    /// All tokens of the sequence, if the cache is checked.
    seen: Vec<u32>,
}

fn invalid<T>(reason: String) -> Result<T, ForwardError> {
    Err(ForwardError::InvalidPlan(reason))
}

impl ScriptedForward {
    pub(super) fn new(script: Script, tokenizer: Arc<Tokenizer>) -> Self {
        let Geometry {
            block_count,
            block_size,
            ..
        } = script.geometry;
        Self {
            cache: vec![None; block_count.saturating_mul(block_size)],
            script,
            tokenizer,
            answers: BTreeMap::new(),
            steps: 0,
        }
    }

    fn write(&mut self, step: &SequenceStep) -> Result<(), ForwardError> {
        let Geometry {
            block_size,
            context_length,
            vocabulary,
            ..
        } = self.script.geometry;
        let id = step.sequence.0;
        if step.tokens.is_empty() || step.start + step.tokens.len() > context_length {
            return invalid(format!("sequence {id} has no token or leaves the context"));
        }
        for (position, &token) in (step.start..).zip(&step.tokens) {
            if token as usize >= vocabulary {
                return invalid(format!("sequence {id} has the unknown token {token}"));
            }
            match step
                .slot(position, block_size)
                .and_then(|slot| self.cache.get_mut(slot))
            {
                Some(cached) => *cached = Some(token),
                None => return invalid(format!("sequence {id} has no block for {position}")),
            }
        }
        Ok(())
    }

    /// The sequence as the cache has it.
    fn read(&self, step: &SequenceStep) -> Result<Vec<u32>, ForwardError> {
        let block_size = self.script.geometry.block_size;
        (0..step.start + step.tokens.len())
            .map(|position| {
                let slot = step.slot(position, block_size);
                let token = slot.and_then(|slot| self.cache.get(slot).copied().flatten());
                token.map_or_else(
                    || invalid(format!("position {position} was never written")),
                    Ok,
                )
            })
            .collect()
    }

    /// The tokens that the script wants after each token of this step that asks for logits.
    fn next_tokens(&mut self, step: &SequenceStep) -> Result<Vec<u32>, ForwardError> {
        let length = step.start + step.tokens.len();
        if !self.answers.contains_key(&step.sequence) {
            let tokens = self.read(step)?;
            let prompt = tokens.get(..step.prompt_length).unwrap_or(&tokens);
            let answer = self.script.answer(&question(&self.tokenizer, prompt));
            let answer = Answer {
                tokens: self.tokenizer.encode(&answer),
                seen: Vec::new(),
            };
            self.answers.insert(step.sequence, answer);
            if self.answers.len() > ANSWERS_KEPT {
                self.answers.pop_first();
            }
        }
        let cached = match self.script.checks_cache {
            true => self.read(step)?,
            false => Vec::new(),
        };
        let end = self
            .tokenizer
            .eos_ids()
            .first()
            .copied()
            .unwrap_or_default();
        let Some(answer) = self.answers.get_mut(&step.sequence) else {
            return Ok(vec![end; step.logit_rows()]);
        };
        if !cached.starts_with(&answer.seen) && !answer.seen.starts_with(&cached) {
            return invalid(format!(
                "the cache of sequence {} was overwritten",
                step.sequence.0
            ));
        }
        answer.seen = cached;
        // Of several verified tokens only the first is sure to stay.
        if step.logit_rows() > 1 {
            answer.seen.truncate(step.start + 1);
        }
        let first = length + 1 - step.logit_rows();
        let next = (first..=length).map(|length| {
            let written = length.saturating_sub(step.prompt_length);
            answer.tokens.get(written).copied().unwrap_or(end)
        });
        Ok(next.collect())
    }
}

impl Forward for ScriptedForward {
    fn geometry(&self) -> Geometry {
        self.script.geometry
    }

    fn forward(&mut self, plan: &StepPlan) -> Result<Logits, ForwardError> {
        self.steps += 1;
        if let Some(gate) = &self.script.gate {
            gate.pass();
        }
        if let Some(recorder) = &self.script.recorder {
            recorder.note(plan);
        }
        for step in &plan.sequences {
            self.write(step)?;
        }
        let vocabulary = self.script.geometry.vocabulary;
        let rows: usize = plan.sequences.iter().map(SequenceStep::logit_rows).sum();
        let mut values = vec![0.0; rows * vocabulary];
        let mut rows = values.chunks_exact_mut(vocabulary);
        for step in &plan.sequences {
            if step.logit_rows() == 0 {
                continue;
            }
            for (token, row) in self.next_tokens(step)?.into_iter().zip(rows.by_ref()) {
                if let Some(logit) = row.get_mut(token as usize) {
                    *logit = self.script.margin;
                }
            }
        }
        match self
            .script
            .failures
            .iter()
            .find(|(step, _)| *step == self.steps)
        {
            None => Ok(Logits { values, vocabulary }),
            Some((_, Failure::Device)) => Err(ForwardError::Device("scripted".into())),
            Some((_, Failure::WeightsLost)) => Err(ForwardError::WeightsLost),
            Some((_, Failure::NotANumber)) => Ok(Logits {
                values: vec![f32::NAN; values.len()],
                vocabulary,
            }),
            Some((_, Failure::Panic)) => std::panic::resume_unwind(Box::new("scripted")),
        }
    }
}

/// The last user message; the whole text, if it is no conversation.
fn question(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let (Some(begin), Some(end)) = (
        tokenizer.id_of("<|im_start|>"),
        tokenizer.id_of("<|im_end|>"),
    ) else {
        return tokenizer.decode(tokens);
    };
    let turns = tokens.split(|&token| token == begin).skip(1).map(|turn| {
        let content = turn.split(|&token| token == end).next().unwrap_or_default();
        tokenizer.decode(content)
    });
    let last = turns
        .filter_map(|turn| turn.strip_prefix("user\n").map(str::to_owned))
        .last();
    last.unwrap_or_else(|| tokenizer.decode(tokens))
}
