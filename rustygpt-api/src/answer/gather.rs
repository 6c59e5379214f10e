//! [`Said`]: a choice of an answer once it is complete.

use super::Cost;
use super::meter::Meter;
use super::opening::Voice;
use crate::error::ApiError;
use futures::StreamExt;
use rustygpt_model::contract::{FinishReason, GenerationEvent, TokenLogprob};
use std::time::Instant;

/// One choice, complete.
#[derive(Debug)]
pub(crate) struct Said {
    /// What it is made of, in order; no two neighbours of a kind but calls.
    pub(crate) pieces: Vec<Piece>,
    /// Its tokens, where log-probabilities were asked for.
    pub(crate) logprobs: Vec<TokenLogprob>,
    /// Why it ended.
    pub(crate) reason: FinishReason,
    /// The stop string that ended it, where one did.
    pub(crate) stop_string: Option<String>,
}

/// A piece of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text of the answer.
    Text(String),
    /// The model's reasoning.
    Reasoning(String),
    /// A call the model wants made.
    Call(Call),
}

/// A call the model wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The id that the result must repeat.
    pub(crate) id: String,
    /// The function.
    pub(crate) name: String,
    /// Its arguments: JSON text, cut short where the answer was.
    pub(crate) arguments: String,
}

impl Said {
    /// The text of the answer, apart from reasoning and calls.
    pub(crate) fn text(&self) -> String {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Reasoning(_) | Piece::Call(_) => "",
        });
        texts.collect()
    }

    /// The reasoning; `None` where there is none.
    pub(crate) fn reasoning(&self) -> Option<String> {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Reasoning(text) => text.as_str(),
            Piece::Text(_) | Piece::Call(_) => "",
        });
        Some(texts.collect()).filter(|text: &String| !text.is_empty())
    }

    /// The calls, in order.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Call(call) => Some(call),
            Piece::Text(_) | Piece::Reasoning(_) => None,
        })
    }
}

/// One choice while it grows.
#[derive(Default)]
struct Growing {
    pieces: Vec<Piece>,
    logprobs: Vec<TokenLogprob>,
    finish: Option<(FinishReason, Option<String>)>,
}

/// Waits for all choices. Tells too when the first token came.
///
/// # Errors
/// When the engine fails before the last one.
pub(super) async fn gather(
    mut voice: Voice,
    mut meter: Meter,
    mut cost: Cost,
    choices: u32,
) -> Result<(Vec<Said>, Cost, Option<Instant>), ApiError> {
    let mut growing: Vec<Growing> = (0..choices).map(|_| Growing::default()).collect();
    while let Some(event) = voice.next().await {
        meter.see(&event);
        apply(event, &mut growing, &mut cost)?;
    }
    let said = growing.into_iter().map(Growing::complete);
    Ok((said.collect::<Result<_, _>>()?, cost, meter.first()))
}

fn apply(event: GenerationEvent, growing: &mut [Growing], cost: &mut Cost) -> Result<(), ApiError> {
    match event {
        GenerationEvent::Text {
            choice,
            text,
            logprobs,
        } => at(growing, choice)?.say(text, logprobs),
        GenerationEvent::Reasoning {
            choice,
            text,
            logprobs,
        } => at(growing, choice)?.think(text, logprobs),
        GenerationEvent::ToolCallBegin {
            choice, id, name, ..
        } => at(growing, choice)?.pieces.push(Piece::Call(Call {
            id,
            name,
            arguments: String::new(),
        })),
        GenerationEvent::ToolCallArguments { choice, call, json } => {
            let calls = at(growing, choice)?.pieces.iter_mut();
            let mut calls = calls.filter_map(|piece| match piece {
                Piece::Call(call) => Some(call),
                Piece::Text(_) | Piece::Reasoning(_) => None,
            });
            if let Some(call) = calls.nth(call as usize) {
                call.arguments.push_str(&json);
            }
        }
        GenerationEvent::ToolCallEnd { .. } => {}
        GenerationEvent::Finish {
            choice,
            reason,
            stop_string,
            usage,
        } => {
            cost.add(choice, usage);
            at(growing, choice)?.finish = Some((reason, stop_string));
        }
        GenerationEvent::Failed { message } => return Err(ApiError::engine_failed(message)),
    }
    Ok(())
}

fn at(growing: &mut [Growing], choice: u32) -> Result<&mut Growing, ApiError> {
    growing
        .get_mut(choice as usize)
        .ok_or_else(|| ApiError::internal("the engine answered a choice nobody asked for"))
}

impl Growing {
    fn say(&mut self, more: String, logprobs: Vec<TokenLogprob>) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push_str(&more),
            _ => self.pieces.push(Piece::Text(more)),
        }
        self.logprobs.extend(logprobs);
    }

    fn think(&mut self, more: String, logprobs: Vec<TokenLogprob>) {
        match self.pieces.last_mut() {
            Some(Piece::Reasoning(text)) => text.push_str(&more),
            _ => self.pieces.push(Piece::Reasoning(more)),
        }
        self.logprobs.extend(logprobs);
    }

    fn complete(self) -> Result<Said, ApiError> {
        let (reason, stop_string) = self
            .finish
            .ok_or_else(|| ApiError::internal("the engine ended without finishing a choice"))?;
        Ok(Said {
            pieces: self.pieces,
            logprobs: self.logprobs,
            reason,
            stop_string,
        })
    }
}
