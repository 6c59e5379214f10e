//! How answers end, and what they are made of.

use super::*;
use crate::contract::{GenerationDefaults, TopLogprob};
use rustygpt_utils::clock::ManualClock;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn an_answer_ends_with_the_models_ending_token_and_counts_it() {
    let model = start(Script::answering("grüße"));
    let generation = model.admit(request("hello")).await.unwrap();
    assert_eq!(generation.prompt_tokens(), 5);
    let answer = collect(generation).await.remove(0);
    assert_eq!(
        (answer.text.as_str(), answer.reason),
        ("grüße", Some(FinishReason::Stop))
    );
    assert_eq!(
        (answer.usage.prompt_tokens, answer.usage.completion_tokens),
        (5, 8)
    );
    model.shutdown().await;
    let status = model.status();
    assert_eq!(
        (status.prompt_tokens_total, status.completion_tokens_total),
        (5, 8)
    );
}

#[tokio::test]
async fn stop_strings_end_an_answer_and_never_show() {
    let model = start(Script::answering("one two END three"));
    let mut request = request("a");
    request.limits.stop = vec!["three".to_owned(), " END".to_owned()];
    let answer = answer(&model, request).await;
    assert_eq!(
        (answer.text.as_str(), answer.reason),
        ("one two", Some(FinishReason::Stop))
    );
}

#[tokio::test]
async fn text_held_back_for_a_stop_string_comes_at_the_end() {
    let model = start(Script::answering("almost EN"));
    let mut request = request("a");
    request.limits.stop = vec!["END".to_owned()];
    assert_eq!(answer(&model, request.clone()).await.text, "almost EN");
    request.limits.max_tokens = Some(8);
    assert_eq!(answer(&model, request).await.text, "almost E");
}

#[tokio::test]
async fn max_tokens_ends_an_answer_with_length() {
    let model = start(Script::answering("0123456789"));
    for max_tokens in [0, 1, 4] {
        let mut request = request("a");
        request.limits.max_tokens = Some(max_tokens);
        let answer = answer(&model, request).await;
        assert_eq!(answer.text, "0123456789"[..max_tokens as usize]);
        assert_eq!(answer.reason, Some(FinishReason::Length));
        assert_eq!(answer.usage.completion_tokens, max_tokens);
    }
}

#[tokio::test]
async fn stop_token_ids_of_request_and_model_end_an_answer() {
    let defaults = GenerationDefaults {
        stop_token_ids: vec![b'7'.into()],
        ..Default::default()
    };
    let model = start(Script::answering("0123456789").with_defaults(defaults));
    assert_eq!(answer(&model, request("a")).await.text, "0123456");
    let mut request = request("a");
    request.limits.stop_token_ids = vec![b'3'.into()];
    assert_eq!(answer(&model, request).await.text, "012");
}

#[tokio::test]
async fn ignore_eos_goes_on_to_max_tokens() {
    let model = start(Script::answering("ab"));
    let mut request = request("a");
    request.limits.ignore_eos = true;
    request.limits.max_tokens = Some(9);
    let answer = answer(&model, request).await;
    assert_eq!(
        (answer.text.as_str(), answer.usage.completion_tokens),
        ("ab", 9)
    );
    assert_eq!(answer.reason, Some(FinishReason::Length));
}

#[tokio::test]
async fn min_tokens_keeps_the_ending_token_away() {
    let model = start(Script::answering("ab"));
    let mut request = request("a");
    request.limits.min_tokens = 6;
    request.sampling.temperature = Some(0.0);
    let answer = answer(&model, request).await;
    assert_eq!(
        (answer.usage.completion_tokens, answer.reason),
        (7, Some(FinishReason::Stop))
    );
}

#[tokio::test]
async fn a_deadline_ends_running_and_waiting_answers_with_what_they_have() {
    let gate = Gate::closed();
    let clock = Arc::new(ManualClock::default());
    let options = EngineOptions {
        clock: clock.clone(),
        ..slots(1)
    };
    let model = start(
        Script::answering("0123456789")
            .behind(&gate)
            .with_options(options),
    );
    let mut request = request("a");
    request.deadline = Some(Duration::from_secs(5));
    let running = model.admit(request.clone()).await.unwrap();
    let waiting = model.admit(request).await.unwrap();
    gate.open(2);
    gate.wait_for_arrival(3);
    clock.advance(Duration::from_secs(5));
    gate.open_for_good();
    let running = collect(running).await.remove(0);
    assert_eq!(
        (running.text.as_str(), running.reason),
        ("012", Some(FinishReason::Deadline))
    );
    let waiting = collect(waiting).await.remove(0);
    assert_eq!(
        (waiting.text.as_str(), waiting.reason),
        ("", Some(FinishReason::Deadline))
    );
}

#[tokio::test]
async fn each_choice_has_its_own_random_stream_and_usage() {
    let model = start(Script::answering("").with_margin(0.0));
    let mut several = request("abc");
    several.sampling.seed = Some(5);
    several.limits.max_tokens = Some(40);
    several.limits.ignore_eos = true;
    let mut alone = several.clone();
    several.choices = 3;
    let answers = collect(model.admit(several).await.unwrap()).await;
    assert_eq!(answers.len(), 3);
    assert_ne!(answers[0].text, answers[1].text);
    assert!(
        answers
            .iter()
            .all(|answer| answer.usage.completion_tokens == 40)
    );
    alone.sampling.seed = Some(7);
    assert_eq!(answer(&model, alone).await, answers[2]);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_text_and_no_seed_another() {
    let model = start(Script::answering("").with_margin(0.0));
    let mut seeded = request("abc");
    seeded.limits.max_tokens = Some(40);
    let mut texts = Vec::new();
    for seed in [Some(1), Some(1), None, None] {
        seeded.sampling.seed = seed;
        texts.push(answer(&model, seeded.clone()).await.text);
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[2], texts[3]);
}

#[tokio::test]
async fn log_probabilities_come_with_the_text_they_made() {
    let model = start(Script::answering("hé"));
    let mut request = request("a");
    request.logprobs = Some(1);
    let logprobs = answer(&model, request).await.logprobs;
    let bytes: Vec<u8> = logprobs
        .iter()
        .flat_map(|logprob| logprob.bytes.clone())
        .collect();
    assert_eq!(bytes, "hé".as_bytes());
    let first = &logprobs[0];
    assert!(first.logprob > -1e-3 && first.logprob <= 0.0);
    let top = TopLogprob {
        id: first.id,
        bytes: vec![b'h'],
        logprob: first.logprob,
    };
    assert_eq!(first.top, [top]);
}
