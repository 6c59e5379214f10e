//! The routes beside chat, and the document that describes them all.

use super::server::{Answer, Server, Setup};
use reqwest::Method;
use rustygpt_model::scripted::{Script, scripted_model};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn models_are_listed_sorted_with_their_aliases() {
    let mut setup = Setup::new(Script::answering("x"));
    setup
        .models
        .push(scripted_model("meta/llama-3", Script::answering("y")).unwrap());
    let server = setup.start().await;
    let list = server.get("/v1/models").await.json();
    insta::assert_json_snapshot!(list);
    for path in ["/v1/models/meta/llama-3", "/v1/models/meta%2Fllama-3"] {
        assert_eq!(
            server.get(path).await.json()["id"],
            "meta/llama-3",
            "{path}"
        );
    }
    let alias = server.get("/v1/models/gpt-4o").await.json();
    assert_eq!(
        (&alias["id"], &alias["root"]),
        (&json!("gpt-4o"), &json!("parrot"))
    );
    for (path, code) in [
        ("/v1/models/nothing", "model_not_found"),
        ("/v1/models/..%2f..%2fetc", "model_not_found"),
        ("/v1/models/%ff", "bad_request"),
    ] {
        assert_eq!(server.get(path).await.failure().1, code, "{path}");
    }
}

#[tokio::test]
async fn status_and_metrics_tell_what_happened() {
    let server = Server::saying("hello").await;
    server.answer(json!({})).await;
    server.answer(json!({"stream": true})).await;
    server.get("/nothing").await;
    let status = server.get("/status").await.json();
    let model = &status["models"][0];
    assert_eq!(model["id"], "parrot");
    assert_eq!(model["state"], "running");
    assert!(model["completion_tokens_total"].as_u64().unwrap() >= 10);
    let metrics = server.get("/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "rustygpt_requests_total{route=\"/v1/chat/completions\",method=\"POST\",status=\"200\"} 2",
        "rustygpt_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 1",
        "rustygpt_completion_tokens_total{model=\"parrot\"} 12",
        "rustygpt_time_to_first_token_seconds_count{model=\"parrot\"} 2",
        "rustygpt_choices_running{model=\"parrot\"} 0",
        "rustygpt_engine_running{model=\"parrot\"} 1",
    ] {
        assert!(
            metrics.text.lines().any(|shown| shown == line),
            "{line}\n{}",
            metrics.text
        );
    }
    assert!(metrics.text.contains("rustygpt_inter_token_seconds_bucket"));
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_names_the_methods() {
    let server = Server::saying("x").await;
    for path in ["/healthz", "/v1/models", "/status"] {
        let answer = Answer::of(server.request(Method::HEAD, path)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
    let answer = Answer::of(server.request(Method::OPTIONS, "/v1/models")).await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET,HEAD"))
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn every_route_is_in_the_document_with_its_methods() {
    let server = Server::saying("x").await;
    let document = server.get("/openapi.json").await.json();
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let routed: BTreeSet<String> = rustygpt_api::router::paths().collect();
    assert_eq!(described, routed);
    for path in &routed {
        let address = path.replace("{id}", "parrot").replace("{name}", "sign_up");
        let answer = Answer::of(server.request(Method::PATCH, &address)).await;
        let allowed: BTreeSet<String> = answer
            .header("allow")
            .unwrap()
            .split(',')
            .filter(|&method| method != "HEAD")
            .map(str::to_lowercase)
            .collect();
        let methods: BTreeSet<String> = document["paths"][path]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(methods, allowed, "{path}");
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let server = Server::saying("x").await;
    let mut document = server.get("/openapi.json").await.json();
    assert_eq!(
        document["info"]["version"].take(),
        env!("CARGO_PKG_VERSION")
    );
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    insta::assert_json_snapshot!(document);
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(
                fields
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            fields
                .values()
                .for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
