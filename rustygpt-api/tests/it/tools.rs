//! Tool calls and structured output, as clients see them.

use super::server::{Server, Setup};
use rustygpt_common::sse::Parser;
use rustygpt_model::scripted::Script;
use serde_json::{Value, json};

const CALL: &str = r#"{"name": "weather", "arguments": {"city": "Rome", "days": 2}}"#;

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "required": ["city", "days"], "additionalProperties": false,
        "properties": {"city": {"type": "string", "maxLength": 8},
            "days": {"type": "integer", "minimum": 1, "maximum": 7}}}}}])
}

/// A server whose model writes at random.
async fn random() -> Server {
    let script = Script::answering("").with_margin(0.0);
    Setup::new(script.without_cache_check()).start().await
}

/// Ids of calls are never the same.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("\"call_");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (id, rest) = part.split_once('"').unwrap();
        assert_eq!(id.len(), 24);
        out.push_str("\"call_…\"");
        out.push_str(rest);
    }
    let (_, fingerprint) = out.split_once("fp_").unwrap();
    let fingerprint = fingerprint.split('"').next().unwrap().to_owned();
    out.replace(&fingerprint, "…")
}

#[tokio::test]
async fn a_call_in_a_whole_answer() {
    let server = Server::saying(CALL).await;
    let answer = server.answer(json!({"tools": weather()})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let choice = &answer.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["type"], "function");
    assert_eq!(call["function"]["name"], "weather");
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"city": "Rome", "days": 2}));
}

#[tokio::test]
async fn a_streamed_call() {
    let server = Server::saying(CALL).await;
    let answer = server
        .answer(json!({"stream": true, "tools": weather()}))
        .await;
    insta::assert_snapshot!(without_ids(&answer.text));
}

#[tokio::test]
async fn a_forced_call_is_made_even_by_a_random_model() {
    let server = random().await;
    for (choice, reason) in [
        (json!("required"), "tool_calls"),
        (
            json!({"type": "function", "function": {"name": "weather"}}),
            "stop",
        ),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required",
                "tools": [{"type": "function", "function": {"name": "weather"}}]}}),
            "tool_calls",
        ),
    ] {
        let fields = json!({"tools": weather(), "tool_choice": choice, "seed": 7,
            "parallel_tool_calls": false});
        let answer = server.answer(fields.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let whole = answer.json()["choices"][0].clone();
        assert_eq!(whole["finish_reason"], reason);
        let function = &whole["message"]["tool_calls"][0]["function"];
        let arguments: Value =
            serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
        assert!(
            arguments["days"]
                .as_f64()
                .is_some_and(|days| (1.0..=7.0).contains(&days))
        );

        let mut fields = fields;
        fields["stream"] = true.into();
        let text = server.answer(fields).await.text;
        let streamed: String = Parser::default()
            .push(text.as_bytes())
            .unwrap()
            .iter()
            .filter_map(|event| serde_json::from_str::<Value>(&event.data).ok())
            .filter_map(|chunk| {
                let calls = &chunk["choices"][0]["delta"]["tool_calls"];
                Some(calls[0]["function"]["arguments"].as_str()?.to_owned())
            })
            .collect();
        assert_eq!(function["arguments"], streamed, "streaming equals blocking");
    }
}

#[tokio::test]
async fn a_structured_answer_matches_its_schema() {
    let server = random().await;
    let schema = json!({"type": "object", "required": ["n"], "additionalProperties": false,
        "properties": {"n": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}});
    let format = json!({"type": "json_schema",
        "json_schema": {"name": "list", "strict": true, "schema": schema}});
    let answer = server
        .answer(json!({"response_format": format, "n": 4, "seed": 1}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    for choice in answer.json()["choices"].as_array().unwrap() {
        assert_eq!(choice["finish_reason"], "stop");
        let content = choice["message"]["content"].as_str().unwrap();
        let mut document: Value = serde_json::from_str(content).unwrap();
        while !document.is_null() {
            assert_eq!(document.as_object().unwrap().len(), 1);
            document = document["n"].clone();
        }
    }
}

#[tokio::test]
async fn schemas_that_cannot_be_honoured_are_refused_with_their_path() {
    let server = random().await;
    let server = &server;
    let refused = |fields: Value| async move {
        let answer = server.answer(fields).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        let error = answer.json()["error"].clone();
        assert_eq!(error.as_object().unwrap().len(), 4);
        error["param"].as_str().unwrap().to_owned()
    };
    let format = |schema: Value| {
        json!({"response_format": {"type": "json_schema",
            "json_schema": {"name": "x", "schema": schema}}})
    };
    assert_eq!(
        refused(format(json!({"items": {"uniqueItems": true}}))).await,
        "response_format.json_schema.schema.items.uniqueItems"
    );
    let contradiction = json!({"allOf": [{"type": "string"}, {"type": "null"}]});
    assert_eq!(refused(format(contradiction)).await, "response_format");
    let mut deep = json!({"type": "string"});
    for _ in 0..60 {
        deep = json!({"type": "array", "items": deep, "minItems": 1000});
    }
    let mut deep = format(deep);
    deep["max_tokens"] = 20.into();
    let answer = server.answer(deep).await;
    assert!(matches!(answer.status, 200 | 400), "{}", answer.text);
}
