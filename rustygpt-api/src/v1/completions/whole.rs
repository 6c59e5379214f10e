//! A whole answer in one object.

use super::logprobs::written;
use super::validate::{Echo, Form};
use crate::answer::{Complete, Said};
use crate::error::ApiError;
use crate::v1::chat_completions::wire::{finish_reason, usage};
use rustygpt_common::openai::{Completion, CompletionChoice};
use rustygpt_orchestrator::models::Lease;
use rustygpt_orchestrator::tokens;

/// The whole answer: of each prompt's choices the likeliest.
///
/// # Errors
/// When a prompt cannot be given back.
pub(super) fn completion(complete: Complete, form: &Form) -> Result<Completion, ApiError> {
    let Complete {
        head,
        lease,
        mut said,
        cost,
        ..
    } = complete;
    let mut choices = Vec::new();
    let mut prompt = 0;
    while !said.is_empty() {
        let rest = said.split_off(said.len().min(form.best_of as usize));
        let mut of_prompt = std::mem::replace(&mut said, rest);
        if form.best_of > form.choices {
            of_prompt.sort_by(|a, b| likelihood(b).total_cmp(&likelihood(a)));
            of_prompt.truncate(form.choices as usize);
        }
        let before = form.echo.get(prompt);
        let before = before.map(|echo| echoed(echo, &lease)).transpose()?;
        for said in of_prompt {
            let index = u32::try_from(choices.len()).unwrap_or(u32::MAX);
            choices.push(choice(said, index, before.as_deref(), form));
        }
        prompt += 1;
    }
    Ok(Completion {
        id: head.id,
        object: "text_completion".to_owned(),
        created: head.created,
        model: head.model,
        choices,
        usage: Some(Some(usage(&cost))),
        system_fingerprint: Some(head.fingerprint),
    })
}

/// A prompt as text.
///
/// # Errors
/// For tokens that the model does not have.
pub(super) fn echoed(echo: &Echo, lease: &Lease) -> Result<String, ApiError> {
    match echo {
        Echo::Text(text) => Ok(text.clone()),
        Echo::Tokens(tokens) => Ok(tokens::decode(lease, tokens)?),
    }
}

fn choice(said: Said, index: u32, before: Option<&str>, form: &Form) -> CompletionChoice {
    let mut text = before.unwrap_or_default().to_owned();
    text.push_str(&said.text());
    CompletionChoice {
        text,
        index,
        finish_reason: Some(finish_reason(said.reason)),
        logprobs: form.wants_logprobs.then(|| written(said.logprobs, &mut 0)),
    }
}

/// The mean log-probability of a choice's tokens.
fn likelihood(said: &Said) -> f64 {
    let sum: f64 = said
        .logprobs
        .iter()
        .map(|token| f64::from(token.logprob))
        .sum();
    match said.logprobs.len() {
        0 => f64::NEG_INFINITY,
        tokens => sum / tokens as f64,
    }
}
