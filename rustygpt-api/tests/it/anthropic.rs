//! Anthropic's dialect: `/v1/messages`.

use super::server::{Answer, KEY, Server, chat_body};
use reqwest::Method;
use rustygpt_common::sse::Parser;
use rustygpt_model::scripted::{Failure, Script};
use serde_json::{Value, json};

const CALL: &str = r#"{"name": "weather", "arguments": {"city": "Rome", "days": 2}}"#;

fn weather() -> Value {
    json!([{"name": "weather", "description": "Tells the weather.", "input_schema": {
        "type": "object", "required": ["city", "days"], "additionalProperties": false,
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}])
}

fn body(fields: &Value) -> Value {
    let mut body = chat_body(&json!({"max_tokens": 100}));
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn ask(server: &Server, fields: Value) -> Answer {
    // As Anthropic's own clients prove themselves.
    let request = server.client.post(server.url("/v1/messages"));
    let request = request
        .header("x-api-key", KEY)
        .header("anthropic-version", "2023-06-01");
    Answer::of(request.json(&body(&fields))).await
}

/// The events of a stream; each is named as its type says.
fn events(text: &str) -> Vec<Value> {
    let events = Parser::default().push(text.as_bytes()).unwrap();
    let read = |event: &rustygpt_common::sse::Event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(event.name.as_deref(), data["type"].as_str());
        data
    };
    events.iter().map(read).collect()
}

/// The message that Anthropic's client makes of a stream's events.
fn accumulated(events: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut json = String::new();
    for event in events {
        let content = message["content"].as_array().map_or(0, Vec::len);
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                assert_eq!(event["index"], content);
                json.clear();
                let block = event["content_block"].clone();
                message["content"].as_array_mut().unwrap().push(block);
            }
            "content_block_delta" => {
                assert_eq!(event["index"], content - 1);
                let block = &mut message["content"][content - 1];
                let delta = &event["delta"];
                let mut append = |name: &str| {
                    let text = format!(
                        "{}{}",
                        block[name].as_str().unwrap(),
                        delta[name].as_str().unwrap()
                    );
                    block[name] = json!(text);
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => append("text"),
                    "thinking_delta" => append("thinking"),
                    "input_json_delta" => json.push_str(delta["partial_json"].as_str().unwrap()),
                    other => panic!("no client knows {other}"),
                }
            }
            "content_block_stop" => {
                let block = &mut message["content"][content - 1];
                if block["type"] == "tool_use" {
                    block["input"] = serde_json::from_str(&json).unwrap();
                }
            }
            "message_delta" => {
                for name in ["stop_reason", "stop_sequence"] {
                    message[name] = event["delta"][name].clone();
                }
                message["usage"] = event["usage"].clone();
            }
            "message_stop" | "ping" => {}
            other => panic!("no client knows {other}"),
        }
    }
    message
}

#[tokio::test]
async fn a_whole_answer_has_every_key_clients_read() {
    let server = Server::saying("Hello, you!").await;
    let answer = ask(&server, json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut message = answer.json();
    let read = message["usage"]["input_tokens"].take();
    assert!(read.as_u64().unwrap() > 5);
    assert_eq!(
        message,
        json!({
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "parrot",
            "content": [{"type": "text", "text": "Hello, you!"}],
            "stop_reason": "end_turn",
            "stop_sequence": null,
            "usage": {
                "input_tokens": null, "output_tokens": 12,
                "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            },
        })
    );
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
}

#[tokio::test]
async fn streamed_and_whole_answers_say_the_same() {
    for (says, fields, reason) in [
        ("The same words, ☺ or not.", json!({}), "end_turn"),
        (
            "one two END three",
            json!({"stop_sequences": ["three", " END"]}),
            "stop_sequence",
        ),
        ("much too long", json!({"max_tokens": 4}), "max_tokens"),
        (CALL, json!({"tools": weather()}), "tool_use"),
        (
            CALL,
            json!({"tools": weather(), "tool_choice": {"type": "tool", "name": "weather"}}),
            "tool_use",
        ),
    ] {
        let server = Server::saying(says).await;
        let mut fields = fields;
        fields["temperature"] = json!(0);
        let mut whole = ask(&server, fields.clone()).await.json();
        fields["stream"] = json!(true);
        let streamed = ask(&server, fields).await;
        assert_eq!(streamed.status, 200, "{}", streamed.text);
        let events = events(&streamed.text);
        let kinds = |index: usize| events[index]["type"].as_str().unwrap();
        assert_eq!((kinds(0), kinds(1)), ("message_start", "ping"));
        assert_eq!(kinds(events.len() - 1), "message_stop");
        assert_eq!(kinds(events.len() - 2), "message_delta");
        let mut streamed = accumulated(&events);
        assert_eq!(whole["stop_reason"], reason, "{says}");
        for message in [&mut whole, &mut streamed] {
            // Ids are never the same, and the second asks for what the first has read.
            message["id"] = Value::Null;
            message["content"][0]["id"] = Value::Null;
            let read = |name: &str| message["usage"][name].as_u64().unwrap();
            let all = read("input_tokens") + read("cache_read_input_tokens");
            message["usage"] = json!([all, read("output_tokens")]);
        }
        assert_eq!(whole, streamed, "{says}");
    }
}

#[tokio::test]
async fn the_stop_sequence_is_named() {
    let server = Server::saying("one two END three").await;
    let message = ask(&server, json!({"stop_sequences": ["three", " END"]}))
        .await
        .json();
    assert_eq!(message["stop_sequence"], " END");
    assert_eq!(message["content"][0]["text"], "one two");
}

#[tokio::test]
async fn a_call_and_its_result_go_round() {
    let server = Server::saying(CALL).await;
    let tools = weather();
    let first = ask(
        &server,
        json!({"tools": tools, "tool_choice": {"type": "any"}}),
    )
    .await
    .json();
    let call = &first["content"][0];
    assert_eq!(call["type"], "tool_use");
    assert_eq!(call["name"], "weather");
    assert_eq!(call["input"], json!({"city": "Rome", "days": 2}));
    let server = Server::saying("Sunny.").await;
    let messages = json!([
        {"role": "user", "content": "How will it be?"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call["id"], "content": "sun"},
        ]},
    ]);
    let second = ask(&server, json!({"tools": tools, "messages": messages})).await;
    assert_eq!(
        second.json()["content"][0]["text"],
        "Sunny.",
        "{}",
        second.text
    );
}

#[tokio::test]
async fn a_shape_holds_from_the_first_token() {
    let script = Script::answering("").with_margin(0.0);
    let server = super::server::Setup::new(script.without_cache_check());
    let server = server.start().await;
    let schema = json!({
        "type": "object", "required": ["kind"], "additionalProperties": false,
        "properties": {"kind": {"enum": ["small", "large"]}},
    });
    let format = json!({"type": "json_schema", "schema": schema});
    let message = ask(
        &server,
        json!({"temperature": 1, "max_tokens": 300, "output_config": {"format": format}}),
    )
    .await
    .json();
    let said = message["content"][0]["text"].as_str().unwrap();
    let document: Value = serde_json::from_str(said).unwrap();
    assert!(["small", "large"].contains(&document["kind"].as_str().unwrap()));
}

#[tokio::test]
async fn tokens_are_counted_as_they_will_be() {
    let server = Server::saying("x").await;
    let whole = ask(&server, json!({"system": "Be brief."})).await.json();
    let request = server.request(Method::POST, "/v1/messages/count_tokens");
    let mut asked = body(&json!({"system": "Be brief."}));
    asked.as_object_mut().unwrap().remove("max_tokens");
    let counted = Answer::of(request.json(&asked)).await.json();
    assert_eq!(counted["input_tokens"], whole["usage"]["input_tokens"]);
}

#[tokio::test]
async fn what_the_assistant_began_it_goes_on_with() {
    let server = Server::saying("x").await;
    let messages = json!([
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Well, "},
    ]);
    let request = server.request(Method::POST, "/v1/messages/count_tokens");
    let open = Answer::of(request.json(&body(&json!({"messages": messages}))))
        .await
        .json();
    let request = server.request(Method::POST, "/v1/tokenize");
    let closed = "<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\nWell, ";
    let answer = Answer::of(request.json(&json!({"model": "parrot", "prompt": closed}))).await;
    // Bytes, but for three control tokens.
    let marks = "<|im_start|><|im_end|><|im_start|>".len() as u64 - 3;
    assert_eq!(
        open["input_tokens"].as_u64().unwrap(),
        answer.json()["count"].as_u64().unwrap() - marks
    );
}

#[tokio::test]
async fn errors_are_written_as_anthropics() {
    let server = Server::saying("x").await;
    let image = json!([{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
    ]}]);
    for (fields, status, kind, said) in [
        (json!({"model": "nobody"}), 404, "not_found_error", "nobody"),
        (
            json!({"max_tokens": null}),
            400,
            "invalid_request_error",
            "'max_tokens'",
        ),
        (
            json!({"stop_sequences": [""]}),
            400,
            "invalid_request_error",
            "'stop_sequences[0]'",
        ),
        (
            json!({"messages": image}),
            400,
            "invalid_request_error",
            "cannot see images",
        ),
        (
            json!({"messages": 7}),
            400,
            "invalid_request_error",
            "'messages'",
        ),
    ] {
        let answer = ask(&server, fields.clone()).await;
        let error = answer.json();
        assert_eq!(
            (answer.status, &error["type"]),
            (status, &json!("error")),
            "{fields}"
        );
        assert_eq!(error["error"]["type"], kind, "{fields}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{message}");
        assert_eq!(error["request_id"].as_str(), answer.header("request-id"));
    }
    let request = server.client.post(server.url("/v1/messages"));
    let request = request.header("x-api-key", "wrong").json(&body(&json!({})));
    let refused = Answer::of(request).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn a_key_in_either_header_counts_and_a_wrong_one_is_never_mended() {
    let server = Server::saying("x").await;
    for (headers, status) in [
        (vec![("x-api-key", KEY)], 200),
        (vec![("authorization", "Bearer sk-rustygpt-test")], 200),
        // Who sends both is who the first says.
        (
            vec![("authorization", "Bearer wrong"), ("x-api-key", KEY)],
            401,
        ),
        (vec![("x-api-key", KEY), ("x-api-key", KEY)], 401),
        (vec![], 401),
    ] {
        let mut request = server.client.get(server.url("/v1/models"));
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        assert_eq!(Answer::of(request).await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_an_event() {
    let script = Script::answering("a long answer").failing_at(6, Failure::Device);
    let server = super::server::Setup::new(script).start().await;
    let answer = ask(&server, json!({"stream": true})).await;
    let events = events(&answer.text);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "error");
    assert_eq!(last["error"]["type"], "api_error");
}
