//! Which requests a model takes, and what becomes of their bounds.

use super::counters::Place;
use super::shape::Shape;
use super::speculation::Sources;
use super::submission::Submission;
use crate::contract::{
    ContentPart, GenerateRequest, GenerationEvent, Geometry, Input, Message, ModelDescription,
    ModelError,
};
use crate::sampling::Settings;
use crate::tokenizer::Tokenizer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What admission knows of the model.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) description: &'a ModelDescription,
    pub(super) geometry: Geometry,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) has_template: bool,
    pub(super) default_max_tokens: Option<u32>,
}

/// What the engine needs of a request's texts.
pub(super) struct Reading {
    pub(super) prompt: Vec<u32>,
    /// Where guesses come from, if they are wanted.
    pub(super) sources: Option<Sources>,
    /// What shape the answers must have.
    pub(super) shape: Shape,
}

fn unsupported<T>(param: &'static str, message: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError::Unsupported {
        param,
        message: message.into(),
    })
}

impl Admission<'_> {
    /// What can be refused before anything is rendered.
    pub(super) fn check(&self, request: &GenerateRequest) -> Result<(), ModelError> {
        if request.choices == 0 {
            return unsupported("n", "n must be at least 1");
        }
        check_input(&request.input, self.has_template)?;
        let vocabulary = self.geometry.vocabulary;
        match request
            .sampling
            .logit_bias
            .keys()
            .find(|&&token| token as usize >= vocabulary)
        {
            Some(token) => unsupported(
                "logit_bias",
                format!(
                    "logit_bias names the token {token}, but this model has {vocabulary} tokens"
                ),
            ),
            None => Ok(()),
        }
    }

    /// Bounds of the prompt and of the answer. Notes name what was changed.
    pub(super) fn submission(
        &self,
        request: GenerateRequest,
        param: &'static str,
        Reading {
            prompt,
            sources,
            shape,
        }: Reading,
        arrived: Duration,
        place: Place,
    ) -> Result<(Submission, UnboundedReceiver<GenerationEvent>, Vec<String>), ModelError> {
        let Geometry {
            vocabulary,
            context_length,
            ..
        } = self.geometry;
        if prompt.is_empty() {
            return unsupported(param, format!("{param} must have at least one token"));
        }
        if let Some(token) = prompt.iter().find(|&&token| token as usize >= vocabulary) {
            return unsupported(
                param,
                format!("{param} has the token {token}, but this model has {vocabulary} tokens"),
            );
        }
        let Some(rest) = context_length
            .checked_sub(prompt.len())
            .filter(|&rest| rest > 0)
        else {
            return Err(ModelError::ContextLengthExceeded {
                prompt_tokens: prompt.len(),
                context_length,
            });
        };
        let rest = u32::try_from(rest).unwrap_or(u32::MAX);
        let mut notes = Vec::new();
        let max_tokens = match request.limits.max_tokens {
            Some(wanted) if wanted > rest => {
                notes.push(format!(
                    "max_tokens (lowered to {rest}, the rest of the context)"
                ));
                rest
            }
            Some(wanted) => wanted,
            None => rest.min(self.default_max_tokens.unwrap_or(u32::MAX)),
        };
        if request.prediction.is_some() && sources.is_none() {
            notes.push("prediction (ignored)".to_owned());
        }
        notes.extend(shape.notes().iter().cloned());
        let (events, receiver) = unbounded_channel();
        let submission = Submission {
            prompt,
            seeds: seeds(request.sampling.seed, request.choices)?,
            priority: request.priority,
            sources,
            settings: Arc::new(Settings::resolve(
                &request.sampling,
                &self.description.defaults.sampling,
            )),
            ending: self.ending(&request),
            cache_salt: request.cache_salt,
            min_tokens: request.limits.min_tokens,
            max_tokens,
            stop: request.limits.stop,
            logprobs: request.logprobs,
            shape,
            deadline: request
                .deadline
                .map(|deadline| arrived.saturating_add(deadline)),
            events,
            place,
        };
        Ok((submission, receiver, notes))
    }

    fn ending(&self, request: &GenerateRequest) -> Arc<[u32]> {
        let mut ending = request.limits.stop_token_ids.clone();
        if !request.limits.ignore_eos {
            ending.extend(self.tokenizer.eos_ids());
            ending.extend(&self.description.defaults.stop_token_ids);
        }
        ending.sort_unstable();
        ending.dedup();
        ending.into()
    }
}

/// Whether a model can read this at all.
pub(super) fn check_input(input: &Input, has_template: bool) -> Result<(), ModelError> {
    let Input::Chat { messages, .. } = input else {
        return Ok(());
    };
    if !has_template {
        return unsupported(
            "messages",
            "this model has no chat template and only takes bare text",
        );
    }
    messages.iter().try_for_each(check_parts)
}

fn check_parts(message: &Message) -> Result<(), ModelError> {
    for part in &message.content {
        match part {
            ContentPart::Text(_) | ContentPart::Reasoning(_) => {}
            ContentPart::Image { .. } => {
                return unsupported("messages", "this model cannot see images; send text only");
            }
            ContentPart::Audio { .. } => {
                return unsupported("messages", "this model cannot hear audio; send text only");
            }
        }
    }
    Ok(())
}

/// Neighbouring seeds give unrelated streams: the generator's key is a hash of the seed.
fn seeds(seed: Option<u64>, choices: u32) -> Result<Vec<u64>, ModelError> {
    let first = match seed {
        Some(seed) => seed,
        None => {
            let bytes = rustygpt_utils::random::bytes::<8>()
                .map_err(|error| ModelError::Internal(Box::new(error)))?;
            u64::from_le_bytes(bytes)
        }
    };
    Ok((0..u64::from(choices))
        .map(|index| first.wrapping_add(index))
        .collect())
}
