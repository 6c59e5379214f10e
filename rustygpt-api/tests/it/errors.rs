//! Every way to fail has its status, its code and, where a field is at fault, its name.

use super::raw::{exchange, request};
use super::server::{Answer, Server, Setup, chat_body, failed, failure};
use reqwest::Method;
use rustygpt_model::scripted::Script;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_unknown_model_is_404_and_tells_which_there_are() {
    let server = Server::saying("x").await;
    let answer = server.answer(json!({"model": "gpt-9"})).await;
    assert_eq!(
        answer.failure(),
        failed(404, "model_not_found", Some("model"))
    );
    assert!(answer.text.contains("gpt-4o, parrot"), "{}", answer.text);
}

#[tokio::test]
async fn without_a_model_the_server_says_so() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.models.clear();
    setup.aliases.clear();
    let server = setup.start().await;
    let answer = server.answer(json!({})).await;
    assert_eq!(
        answer.failure(),
        failed(404, "model_not_found", Some("model"))
    );
    assert!(
        answer.text.contains("no model is loaded"),
        "{}",
        answer.text
    );
    assert_eq!(
        server.get("/readyz").await.failure(),
        failed(503, "service_unavailable", None)
    );
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/v1/models").await.json()["data"], json!([]));
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_refused_never_cut() {
    let server = Setup::new(Script::answering("x").with_context_length(64))
        .start()
        .await;
    let messages = json!([{"role": "user", "content": "word ".repeat(100)}]);
    let answer = server.answer(json!({"messages": messages})).await;
    assert_eq!(
        answer.failure(),
        failed(400, "context_length_exceeded", Some("messages"))
    );
}

#[tokio::test]
async fn what_the_model_cannot_take_is_400() {
    let server = Server::saying("x").await;
    let image = json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]);
    let answer = server.answer(json!({"messages": image})).await;
    let (status, code, param) = answer.failure();
    assert_eq!((status, code.as_str()), (400, "unsupported_parameter"));
    assert!(param.unwrap().starts_with("messages"));
    let answer = server
        .answer(json!({"logit_bias": {"4000000000": 1}}))
        .await;
    assert_eq!(
        answer.failure(),
        failed(400, "unsupported_parameter", Some("logit_bias"))
    );
}

#[tokio::test]
async fn unknown_routes_and_methods_are_told_apart() {
    let server = Server::saying("x").await;
    assert_eq!(
        server.get("/v1/nothing").await.failure(),
        failed(404, "not_found", None)
    );
    assert_eq!(
        server.get("/").await.failure(),
        failed(404, "not_found", None)
    );
    let answer = server.get("/v1/chat/completions").await;
    assert_eq!(answer.failure(), failed(405, "method_not_allowed", None));
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = Answer::of(server.request(Method::DELETE, "/v1/models")).await;
    assert_eq!(answer.failure(), failed(405, "method_not_allowed", None));
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_415() {
    let server = Server::saying("x").await;
    let send = |name: &'static str, value: &'static str| {
        let body = chat_body(&json!({})).to_string();
        let request = server
            .request(Method::POST, "/v1/chat/completions")
            .body(body);
        Answer::of(request.header(name, value))
    };
    for (name, value, expected) in [
        ("content-type", "application/json; charset=utf-8", 200),
        ("content-type", "APPLICATION/JSON", 200),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("content-type", "text/plain", 415),
        ("content-encoding", "gzip", 415),
        ("content-encoding", "identity", 200),
        ("accept", "*/*", 200),
    ] {
        let answer = send(name, value).await;
        assert_eq!(answer.status, expected, "{name}: {value}");
        if expected != 200 {
            assert_eq!(
                answer.failure(),
                failed(415, "unsupported_media_type", None)
            );
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_the_answer_arrives() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.limits.body_bytes = 64 << 10;
    let server = setup.start().await;
    let big = json!([{"role": "user", "content": "x".repeat(4 << 20)}]);
    let answer = server.answer(json!({"messages": big})).await;
    assert_eq!(answer.failure(), failed(413, "request_too_large", None));
    // Without a length the bytes themselves must be counted.
    let chunk = format!("{:x}\r\n{}\r\n", 70 << 10, "x".repeat(70 << 10));
    let lines = [
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    ];
    let bytes = request(
        &server,
        "POST /v1/chat/completions",
        &lines,
        chunk.as_bytes(),
    );
    let answer = exchange(server.address, &bytes).await.unwrap();
    let expected = failed(413, "request_too_large", None);
    assert_eq!(failure(answer.status, &answer.text()), expected);
}

#[tokio::test]
async fn a_length_that_lies_is_a_4xx() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.limits.body_time = Duration::from_millis(20);
    let server = setup.start().await;
    let body = chat_body(&json!({})).to_string();
    // More than was sent: the rest is waited for, not for ever.
    let lines = [format!("Content-Length: {}", body.len() + 1)];
    let bytes = request(
        &server,
        "POST /v1/chat/completions",
        &[&lines[0]],
        body.as_bytes(),
    );
    let answer = exchange(server.address, &bytes).await.unwrap();
    assert_eq!(
        failure(answer.status, &answer.text()),
        failed(408, "request_timeout", None)
    );
    // Less than was sent: the JSON is cut off.
    let lines = [format!("Content-Length: {}", body.len() - 1)];
    let bytes = request(
        &server,
        "POST /v1/chat/completions",
        &[&lines[0]],
        body.as_bytes(),
    );
    let answer = exchange(server.address, &bytes).await.unwrap();
    assert_eq!(
        failure(answer.status, &answer.text()),
        failed(400, "invalid_json", None)
    );
    // Far too much: refused before any of it is read.
    let lines = ["Content-Length: 999999999999"];
    let bytes = request(&server, "POST /v1/chat/completions", &lines, b"{");
    let answer = exchange(server.address, &bytes).await.unwrap();
    assert_eq!(
        failure(answer.status, &answer.text()),
        failed(413, "request_too_large", None)
    );
}

#[tokio::test]
async fn headers_that_are_too_large_are_431() {
    let server = Server::saying("x").await;
    for lines in [
        vec![format!("X-Big: {}", "a".repeat(65 << 10))],
        (0..120).map(|number| format!("X-{number}: a")).collect(),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let bytes = request(&server, "GET /v1/models", &lines, b"");
        let answer = exchange(server.address, &bytes).await.unwrap();
        let expected = failed(431, "headers_too_large", None);
        assert_eq!(failure(answer.status, &answer.text()), expected);
    }
}

#[tokio::test]
async fn a_stopped_engine_is_503() {
    let server = Server::saying("x").await;
    server.models[0].shutdown().await;
    let answer = server.answer(json!({})).await;
    assert_eq!(answer.failure(), failed(503, "service_unavailable", None));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        server.get("/readyz").await.failure(),
        failed(503, "service_unavailable", None)
    );
}
