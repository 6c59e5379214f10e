//! The engine as its users see it, on a scripted model.

mod ending;
mod failing;
mod reusing;
mod scheduling;
mod shape;
mod speculating;
mod submitting;
mod tools;

use super::{EngineOptions, Generation, LoadedModel};
use crate::contract::{
    FinishReason, GenerateRequest, GenerationEvent, Input, Limits, ModelError, Sampling,
    TokenLogprob, Usage,
};
use crate::scripted::{Failure, Gate, Recorder, Script, scripted_model};
use futures::StreamExt;

/// A request with neutral values for bare text.
fn request(text: &str) -> GenerateRequest {
    GenerateRequest {
        input: Input::Text(text.to_owned()),
        grammar: None,
        sampling: Sampling::default(),
        limits: Limits::default(),
        choices: 1,
        logprobs: None,
        prediction: None,
        priority: Default::default(),
        deadline: None,
        cache_salt: Default::default(),
    }
}

/// What became of one choice.
#[derive(Clone, Debug, Default, PartialEq)]
struct Answer {
    text: String,
    logprobs: Vec<TokenLogprob>,
    reason: Option<FinishReason>,
    usage: Usage,
}

/// Reads a stream to its end; the failure's message, if it failed.
async fn try_collect(mut generation: Generation) -> Result<Vec<Answer>, String> {
    let mut answers: Vec<Answer> = Vec::new();
    while let Some(event) = generation.next().await {
        let index = match &event {
            GenerationEvent::Text { choice, .. } | GenerationEvent::Finish { choice, .. } => {
                *choice as usize
            }
            GenerationEvent::Failed { message } => {
                let message = message.clone();
                assert_eq!(
                    generation.next().await,
                    None,
                    "nothing may follow a failure"
                );
                return Err(message);
            }
            other => panic!("unexpected {other:?}"),
        };
        answers.resize(answers.len().max(index + 1), Answer::default());
        let answer = &mut answers[index];
        assert_eq!(answer.reason, None, "nothing may follow a finish");
        match event {
            GenerationEvent::Text { text, logprobs, .. } => {
                assert!(!text.is_empty());
                answer.text.push_str(&text);
                answer.logprobs.extend(logprobs);
            }
            GenerationEvent::Finish { reason, usage, .. } => {
                answer.reason = Some(reason);
                answer.usage = usage;
            }
            _ => {}
        }
    }
    assert!(answers.iter().all(|answer| answer.reason.is_some()));
    Ok(answers)
}

async fn collect(generation: Generation) -> Vec<Answer> {
    try_collect(generation).await.unwrap()
}

/// The only answer to a request.
async fn answer(model: &LoadedModel, request: GenerateRequest) -> Answer {
    let mut answers = collect(model.admit(request).await.unwrap()).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn start(script: Script) -> LoadedModel {
    scripted_model("test", script).unwrap()
}

fn slots(slots: usize) -> EngineOptions {
    EngineOptions {
        slots,
        ..EngineOptions::default()
    }
}
