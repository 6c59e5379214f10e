//! Guesses save passes and change nothing else.

use super::*;
use crate::contract::Grammar;
use rustygpt_utils::clock::ManualClock;
use std::sync::Arc;
use std::time::Duration;

/// Options with a clock that stands, so that what pays does not depend on the machine.
fn options(is_speculating: bool) -> EngineOptions {
    EngineOptions {
        is_speculating,
        clock: Arc::new(ManualClock::at(Duration::ZERO)),
        ..slots(4)
    }
}

const REFRAIN: &str = "the quick brown fox jumps over the lazy dog, and then ";

/// The answers to these requests, with and without guesses, and the passes they took.
async fn with_and_without(
    script: &Script,
    requests: &[GenerateRequest],
) -> [(Vec<Answer>, u64); 2] {
    let mut outcomes = Vec::new();
    for is_speculating in [true, false] {
        let gate = Gate::closed();
        let model = start(
            script
                .clone()
                .with_options(options(is_speculating))
                .behind(&gate),
        );
        let mut generations = Vec::new();
        for request in requests {
            generations.push(model.admit(request.clone()).await.unwrap());
        }
        gate.open_for_good();
        let mut answers = Vec::new();
        for generation in generations {
            answers.extend(collect(generation).await);
        }
        model.shutdown().await;
        let status = model.status();
        assert_eq!(status.kv_blocks_used, 0);
        assert_eq!(status.guesses_come_true_total > 0, is_speculating);
        outcomes.push((answers, status.steps));
    }
    outcomes.try_into().unwrap()
}

#[tokio::test]
async fn an_answer_that_repeats_itself_takes_fewer_passes_and_is_the_same() {
    let script = Script::answering(REFRAIN.repeat(6));
    let mut greedy = request("sing");
    greedy.sampling.temperature = Some(0.0);
    greedy.logprobs = Some(2);
    let [(guessed, few), (plain, many)] = with_and_without(&script, &[greedy]).await;
    assert_eq!(guessed, plain);
    assert_eq!(guessed[0].text, REFRAIN.repeat(6));
    assert!(few * 3 < many, "{few} passes instead of {many}");
}

/// Sampled by chance from rows in which the script is only likelier than the rest, with every
/// setting that remembers what was said.
#[tokio::test]
async fn sampled_answers_with_penalties_stops_and_limits_are_the_same_to_the_last_bit() {
    let script = Script::answering(REFRAIN.repeat(6)).with_margin(9.0);
    let mut requests = Vec::new();
    for seed in 0..24 {
        let mut request = request(&format!("{REFRAIN}{seed}"));
        request.sampling.seed = Some(seed);
        request.sampling.temperature = Some(0.9);
        request.logprobs = Some(3);
        request.limits.max_tokens = Some(150 + seed as u32);
        match seed % 6 {
            0 => request.sampling.top_p = Some(0.99),
            1 => request.sampling.repetition_penalty = Some(1.05),
            2 => request.sampling.frequency_penalty = Some(0.1),
            3 => request.limits.stop = vec!["fox jumps over the lazy dog, and then the".to_owned()],
            4 => request.limits.min_tokens = 100,
            _ => request.choices = 2,
        }
        requests.push(request);
    }
    let [(guessed, few), (plain, many)] = with_and_without(&script, &requests).await;
    assert_eq!(guessed, plain);
    assert!(few < many, "{few} passes instead of {many}");
    let reasons: Vec<_> = guessed.iter().map(|answer| answer.reason).collect();
    assert!(reasons.contains(&Some(FinishReason::Length)));
    assert!(reasons.contains(&Some(FinishReason::Stop)));
}

#[tokio::test]
async fn a_prediction_saves_passes_and_is_accounted_for() {
    let text = "let width = 3; let height = 4; print(width * height);";
    let script = Script::answering(text);
    let mut request = request("rename w");
    request.sampling.temperature = Some(0.0);
    request.prediction = Some(text.replace("height = 4", "height = 5"));
    let [(guessed, few), (plain, many)] = with_and_without(&script, &[request]).await;
    assert_eq!(
        (&guessed[0].text, guessed[0].reason),
        (&plain[0].text, plain[0].reason)
    );
    assert_eq!(guessed[0].text, text);
    assert!(few * 2 < many, "{few} passes instead of {many}");
    let Usage {
        accepted_prediction_tokens: accepted,
        rejected_prediction_tokens: rejected,
        completion_tokens,
        ..
    } = guessed[0].usage;
    assert!(
        accepted > completion_tokens / 2,
        "{accepted} of {completion_tokens}"
    );
    assert!(rejected > 0 && rejected < accepted, "{rejected}");
    assert_eq!(plain[0].usage.accepted_prediction_tokens, 0);
}

#[tokio::test]
async fn guesses_are_given_up_when_blocks_are_short() {
    let script = Script::answering(REFRAIN.repeat(3)).with_blocks(45, 4);
    let mut requests = vec![request("sing"); 4];
    for (seed, request) in requests.iter_mut().enumerate() {
        request.sampling.seed = Some(seed as u64);
    }
    let [(guessed, _), (plain, _)] = with_and_without(&script, &requests).await;
    let texts = |answers: &[Answer]| -> Vec<_> {
        answers.iter().map(|answer| answer.text.clone()).collect()
    };
    assert_eq!(texts(&guessed), texts(&plain));
    assert_eq!(guessed[3].text, REFRAIN.repeat(3));
}

/// All tokens are equally likely, so that the grammar alone decides what an answer looks like.
#[tokio::test]
async fn behind_a_guess_that_came_true_the_grammar_holds_too() {
    let script = Script::replying(|_| String::new())
        .with_margin(0.0)
        .without_cache_check();
    let model = start(script.with_options(options(true)));
    let mut request = request("x");
    request.grammar = Some(Grammar::Regex("([a-c][0-9] ){60}!".to_owned()));
    request.sampling.seed = Some(3);
    request.sampling.temperature = Some(1.0);
    let plain = answer(&model, request.clone()).await;
    assert_eq!(plain.text.len(), 181);
    request.prediction = Some(plain.text.clone());
    let guessed = answer(&model, request).await;
    assert_eq!((guessed.text, guessed.reason), (plain.text, plain.reason));
    assert!(guessed.usage.accepted_prediction_tokens > 100);
}
