//! Streamed answers.

use super::server::{Server, Setup, chat_body};
use futures::StreamExt;
use rustygpt_common::sse::{Event, Parser};
use rustygpt_model::scripted::{Failure, Gate, Script};
use serde_json::{Value, json};
use std::time::Duration;

/// The data of a stream's events; JSON but for the last.
fn events(text: &str) -> Vec<Event> {
    Parser::default().push(text.as_bytes()).unwrap()
}

fn chunks(text: &str) -> Vec<Value> {
    let events = events(text);
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last.data, "[DONE]");
    chunks
        .iter()
        .map(|event| serde_json::from_str(&event.data).unwrap())
        .collect()
}

fn content(chunks: &[Value], index: u64) -> String {
    let of_choice = chunks
        .iter()
        .flat_map(|chunk| chunk["choices"].as_array().unwrap());
    of_choice
        .filter(|choice| choice["index"] == index)
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .collect()
}

/// The fingerprint changes with every version.
fn without_fingerprint(text: &str) -> String {
    let first: Value = serde_json::from_str(&events(text)[0].data).unwrap();
    let fingerprint = first["system_fingerprint"].as_str().unwrap();
    assert!(fingerprint.starts_with("fp_"));
    text.replace(fingerprint, "fp_…")
}

#[tokio::test]
async fn a_transcript() {
    let server = Server::saying("Hi ☺").await;
    let answer = server.answer(json!({"stream": true})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    insta::assert_snapshot!(without_fingerprint(&answer.text));
}

#[tokio::test]
async fn a_transcript_with_usage() {
    let server = Server::saying("Hi").await;
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    insta::assert_snapshot!(without_fingerprint(&server.answer(options).await.text));
}

#[tokio::test]
async fn streamed_and_whole_answers_say_the_same() {
    let server = Server::saying("The same words, be they streamed or not.").await;
    let whole = server.answer(json!({"seed": 1, "n": 2})).await.json();
    let stream = json!({
        "seed": 1, "n": 2, "stream": true, "stream_options": {"include_usage": true}
    });
    let chunks = chunks(&server.answer(stream).await.text);
    for index in [0, 1] {
        let said = &whole["choices"][index as usize]["message"]["content"];
        assert_eq!(content(&chunks, index), said.as_str().unwrap());
    }
    assert_eq!(
        chunks.last().unwrap()["usage"]["total_tokens"],
        whole["usage"]["total_tokens"]
    );
}

#[tokio::test]
async fn every_choice_has_a_role_first_and_one_reason_last() {
    let server = Server::saying("abc").await;
    let chunks = chunks(&server.answer(json!({"n": 3, "stream": true})).await.text);
    for index in 0..3 {
        let mine: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0])
            .filter(|choice| choice["index"] == index)
            .collect();
        assert_eq!(mine[0]["delta"]["role"], "assistant");
        let reasons: Vec<&Value> = mine.iter().map(|choice| &choice["finish_reason"]).collect();
        assert_eq!(reasons.last().unwrap(), &"stop");
        assert!(
            reasons[..reasons.len() - 1]
                .iter()
                .all(|reason| reason.is_null())
        );
    }
    assert!(
        chunks.iter().all(|chunk| chunk.get("usage").is_none()),
        "nobody asked for usage"
    );
}

#[tokio::test]
async fn log_probabilities_are_streamed_with_their_text() {
    let server = Server::saying("ab").await;
    let answer = server
        .answer(json!({"stream": true, "logprobs": true, "max_tokens": 2}))
        .await;
    let tokens: Vec<Value> = chunks(&answer.text)
        .iter()
        .filter_map(|chunk| {
            chunk["choices"][0]["logprobs"]["content"]
                .as_array()
                .cloned()
        })
        .flatten()
        .map(|token| token["token"].clone())
        .collect();
    assert_eq!(tokens, ["a", "b"]);
}

#[tokio::test]
async fn headers_and_role_come_before_the_first_token_and_comments_keep_the_line_alive() {
    let gate = Gate::closed();
    let mut setup = Setup::new(Script::answering("late").behind(&gate));
    setup.limits.keep_alive = Duration::from_millis(1);
    let server = setup.start().await;
    let response = server.chat(&json!({"stream": true})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.contains(": keep-alive\n\n") {
        text += std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(text.starts_with("data: "), "{text}");
    assert!(text.contains("\"role\":\"assistant\""), "{text}");
    assert!(!text.contains("late"), "{text}");
    gate.open_for_good();
    while let Some(piece) = body.next().await {
        text += std::str::from_utf8(&piece.unwrap()).unwrap();
    }
    assert_eq!(content(&chunks(&text), 0), "late");
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_an_error_event() {
    let script = Script::answering("these words never all arrive").failing_at(6, Failure::Device);
    let server = Setup::new(script).start().await;
    let answer = server.answer(json!({"stream": true})).await;
    assert_eq!(answer.status, 200, "it was admitted");
    let events = events(&answer.text);
    let last: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
    assert_eq!(last["error"]["type"], "server_error", "{last}");
    assert!(!answer.text.contains("[DONE]"));
}

#[tokio::test]
async fn a_request_that_cannot_be_admitted_is_no_stream() {
    let server = Setup::new(Script::answering("x").with_context_length(64))
        .start()
        .await;
    let long = json!([{"role": "user", "content": "too long ".repeat(20)}]);
    let answer = server
        .answer(json!({"stream": true, "messages": long}))
        .await;
    assert_eq!(answer.failure().1, "context_length_exceeded");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn streams_are_never_compressed_and_other_answers_are() {
    let server = Server::saying(&"compress me ".repeat(50)).await;
    for (fields, expected) in [(json!({}), Some("gzip")), (json!({"stream": true}), None)] {
        let request = server.chat(&fields).header("accept-encoding", "gzip");
        let response = request.send().await.unwrap();
        let encoding = response.headers().get("content-encoding");
        assert_eq!(encoding.map(|value| value.to_str().unwrap()), expected);
    }
}

#[tokio::test]
async fn a_stream_can_be_asked_for_with_extras_of_real_clients() {
    let server = Server::saying("ok").await;
    let mut body = chat_body(&json!({
        "stream": true, "n": 1, "temperature": 0.1, "top_p": 1,
        "stream_options": {"include_usage": true}, "reasoning": {"effort": "medium"},
        "prediction": {"type": "content", "content": [{"type": "text", "text": "ok"}]},
        "tools": [{"type": "function", "function": {
            "name": "read_file", "description": "Reads.", "parameters": {"type": "object"}}}],
        "snippy": {"enabled": false},
    }));
    body["messages"] = json!([
        {"role": "system", "content": "You are an assistant.", "copilot_cache_control": {}},
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
        {"role": "assistant", "content": "", "cot_id": "1", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "text"},
    ]);
    let answer = server.answer(body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(content(&chunks(&answer.text), 0), "ok");
}
