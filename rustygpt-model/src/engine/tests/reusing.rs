//! What was read before is not read again, and nobody can tell by the answer.

use super::*;
use crate::contract::{CacheSalt, Phase};

/// Rows of prompts that were computed, by pass.
fn prompt_rows(recorder: &Recorder) -> Vec<usize> {
    let of_plan = |plan: &crate::contract::StepPlan| {
        let prompts = plan.sequences.iter();
        let prompts = prompts.filter(|step| step.phase == Phase::Prompt);
        prompts.map(|step| step.tokens.len()).sum()
    };
    recorder.plans().iter().map(of_plan).collect()
}

/// A text without a repetition.
fn long_text(length: usize) -> String {
    let words: Vec<_> = (0..length).map(|number| number.to_string()).collect();
    words.join(" ").split_at(length).0.to_owned()
}

#[tokio::test]
async fn the_second_turn_on_a_long_prompt_costs_less_than_three_percent_of_the_first() {
    let recorder = Recorder::default();
    let script = Script::replying(|prompt| format!("{} letters", prompt.len()))
        .with_context_length(65_536)
        .recorded_by(&recorder)
        .without_cache_check();
    let model = start(script);
    let text = long_text(29_000);
    let first = answer(&model, request(&text)).await;
    assert_eq!(first.text, "29000 letters");
    assert_eq!(first.usage.cached_tokens, 0);
    let cold = prompt_rows(&recorder);
    assert_eq!(cold.iter().sum::<usize>(), 29_000);
    let cold_passes = cold.iter().filter(|&&rows| rows > 0).count();

    let next = format!("{text}{} And now something else.", first.text);
    let second = answer(&model, request(&next)).await;
    assert_eq!(second.text, format!("{} letters", next.len()));
    assert!(second.usage.cached_tokens > 29_000 - 16, "{second:?}");
    let warm = prompt_rows(&recorder).split_off(cold.len());
    let computed: usize = warm.iter().sum();
    assert_eq!(computed + second.usage.cached_tokens as usize, next.len());
    let warm_passes = warm.iter().filter(|&&rows| rows > 0).count();
    assert!(computed * 100 < 29_000 * 3, "{computed} rows");
    assert!(
        warm_passes * 100 < cold_passes * 3,
        "{warm_passes} passes of {cold_passes}"
    );
    model.shutdown().await;
    let status = model.status();
    assert_eq!(
        status.cached_prompt_tokens_total,
        u64::from(second.usage.cached_tokens)
    );
    assert!(status.kv_blocks_kept >= 29_000 / 16);
}

#[tokio::test]
async fn one_tenant_never_finds_anothers_prompt() {
    let model = start(Script::answering("yes"));
    let mut request = request(&long_text(200));
    let mut cached = Vec::new();
    for tenant in [1, 1, 2, 2] {
        request.cache_salt = CacheSalt([tenant; 32]);
        cached.push(answer(&model, request.clone()).await.usage.cached_tokens);
    }
    assert_eq!(cached, [0, 192, 0, 192]);
}

#[tokio::test]
async fn the_prompt_of_several_choices_is_read_once() {
    let recorder = Recorder::default();
    let model = start(Script::answering("four times").recorded_by(&recorder));
    let mut request = request(&long_text(1000));
    request.choices = 4;
    let answers = collect(model.admit(request).await.unwrap()).await;
    let cached: Vec<_> = answers
        .iter()
        .map(|answer| (answer.text.as_str(), answer.usage.cached_tokens))
        .collect();
    let found = ("four times", 992);
    assert_eq!(cached, [("four times", 0), found, found, found]);
    let rows: usize = prompt_rows(&recorder).iter().sum();
    assert_eq!(rows, 1000 + 3 * 8);
}

#[tokio::test]
async fn a_pre_empted_prompt_is_not_counted_as_found() {
    let gate = Gate::closed();
    let script = Script::answering("x".repeat(60)).with_blocks(40, 4);
    let model = start(script.behind(&gate));
    let mut generations = Vec::new();
    for letter in ["a", "b", "c", "d"] {
        generations.push(model.admit(request(&letter.repeat(20))).await.unwrap());
    }
    gate.open_for_good();
    for generation in generations {
        assert_eq!(collect(generation).await[0].usage.cached_tokens, 0);
    }
    model.shutdown().await;
    assert!(model.status().preemptions_total > 0);
}
