//! Whole answers.

use super::server::{Server, Setup};
use rustygpt_model::scripted::Script;
use serde_json::json;

#[tokio::test]
async fn a_whole_answer_has_every_key_clients_read() {
    let server = Server::saying("Hello, you!").await;
    let answer = server.answer(json!({})).await;
    assert_eq!(answer.status, 200);
    let mut completion = answer.json();
    // It changes with every version.
    let fingerprint = completion["system_fingerprint"].take();
    assert!(fingerprint.as_str().unwrap().starts_with("fp_"));
    insta::assert_json_snapshot!(completion);
}

#[tokio::test]
async fn usage_counts_the_prompt_once_and_all_answers() {
    let server = Server::saying("abc").await;
    let one = server.answer(json!({})).await.json()["usage"].clone();
    let three = server.answer(json!({"n": 3})).await.json();
    assert_eq!(three["choices"].as_array().unwrap().len(), 3);
    for (index, choice) in three["choices"].as_array().unwrap().iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(choice["message"]["content"], "abc");
    }
    let tokens = |usage: &serde_json::Value, name: &str| usage[name].as_u64().unwrap();
    let usage = &three["usage"];
    assert_eq!(
        tokens(usage, "prompt_tokens"),
        tokens(&one, "prompt_tokens")
    );
    assert_eq!(
        tokens(usage, "completion_tokens"),
        3 * tokens(&one, "completion_tokens")
    );
    assert_eq!(
        tokens(usage, "total_tokens"),
        tokens(usage, "prompt_tokens") + tokens(usage, "completion_tokens")
    );
}

#[tokio::test]
async fn an_alias_answers_as_the_model_it_stands_for() {
    let server = Server::saying("hi").await;
    let answer = server.answer(json!({"model": "gpt-4o"})).await;
    assert_eq!(answer.json()["model"], "parrot");
}

#[tokio::test]
async fn a_bound_ends_the_answer_with_length_and_a_stop_string_with_stop() {
    let server = Server::saying("one two three").await;
    let short = server.answer(json!({"max_tokens": 3})).await.json();
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["choices"][0]["message"]["content"], "one");
    let stopped = server.answer(json!({"stop": " three"})).await.json();
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert_eq!(stopped["choices"][0]["message"]["content"], "one two");
}

#[tokio::test]
async fn log_probabilities_come_per_token() {
    let server = Server::saying("ab").await;
    let answer = server
        .answer(json!({"logprobs": true, "top_logprobs": 2, "max_tokens": 2}))
        .await;
    let tokens = answer.json()["choices"][0]["logprobs"]["content"].clone();
    let tokens = tokens.as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0]["token"], "a");
    assert_eq!(tokens[0]["bytes"], json!([97]));
    assert_eq!(tokens[0]["top_logprobs"].as_array().unwrap().len(), 2);
    assert_eq!(tokens[0]["top_logprobs"][0]["token"], "a");
    assert!(tokens[0]["logprob"].as_f64().unwrap() <= 0.0);
}

#[tokio::test]
async fn the_engine_hears_the_conversation() {
    let script = Script::answering("who knows").when("capital of France", "Paris");
    let server = Setup::new(script).start().await;
    let messages = json!([
        {"role": "developer", "content": "Answer in one word."},
        {"role": "user", "content": [{"type": "text", "text": "The capital of France?"}]},
    ]);
    let answer = server.answer(json!({"messages": messages})).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Paris");
}

#[tokio::test]
async fn parameters_without_effect_are_named_in_a_header() {
    let server = Server::saying("hi").await;
    let fields = json!({
        "store": true, "metadata": {"a": "b"}, "max_tokens": 1_000_000, "service_tier": "auto",
    });
    let answer = server.answer(fields).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("x-rustygpt-ignored"),
        Some("max_tokens, metadata, store")
    );
    let plain = server.answer(json!({"temperature": 0.5})).await;
    assert_eq!(plain.header("x-rustygpt-ignored"), None);
}

#[tokio::test]
async fn an_engine_that_fails_is_a_500_and_the_next_request_works() {
    let script = Script::answering("fine").failing_at(1, rustygpt_model::scripted::Failure::Device);
    let server = Setup::new(script).start().await;
    let broken = server.answer(json!({})).await;
    assert_eq!(broken.failure().0, 500);
    assert_eq!(server.answer(json!({})).await.status, 200);
}
