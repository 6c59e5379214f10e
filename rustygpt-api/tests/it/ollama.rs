//! Ollama's dialect.

use super::server::{Answer, Server, Setup, chat_body};
use reqwest::Method;
use rustygpt_model::engine::EmbeddingOptions;
use rustygpt_model::scripted::{Script, scripted_embedder};
use serde_json::{Value, json};

const CALL: &str = r#"{"name": "weather", "arguments": {"city": "Rome", "days": 2}}"#;

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "required": ["city", "days"], "additionalProperties": false,
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}}])
}

async fn server(text: &str) -> Server {
    let mut setup = Setup::new(Script::answering(text));
    let embedder = scripted_embedder("counter", None, EmbeddingOptions::default());
    setup.embedders.push(embedder.unwrap());
    setup.start().await
}

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    Answer::of(server.request(Method::POST, path).json(body)).await
}

/// The lines of a stream.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines = answer.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Takes what a clock tells out of an answer.
fn without_durations(mut answer: Value) -> Value {
    for name in [
        "total_duration",
        "load_duration",
        "prompt_eval_duration",
        "eval_duration",
    ] {
        assert!(answer[name].take().is_u64(), "{name}");
    }
    answer
}

/// As Ollama's examples call it.
#[tokio::test]
async fn curl_need_not_say_that_it_sends_json_but_a_page_must() {
    let server = server("Hello, you!").await;
    let ask = |path: &str, origin: Option<&str>| {
        let body = chat_body(&json!({"stream": false})).to_string();
        let form = "application/x-www-form-urlencoded";
        let request = server.request(Method::POST, path).body(body);
        let request = request.header("content-type", form);
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    let itself = format!("http://{}", server.address);
    for (path, origin, status) in [
        ("/api/chat", None, 200),
        ("/api/chat", Some(itself.as_str()), 415),
        ("/v1/chat/completions", None, 415),
    ] {
        let answer = Answer::of(ask(path, origin)).await;
        assert_eq!(answer.status, status, "{path} {origin:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_whole_answer_has_every_key_clients_read() {
    let server = server("Hello, you!").await;
    let answer = post(&server, "/api/chat", &chat_body(&json!({"stream": false}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut answer = without_durations(answer.json());
    assert!(answer["prompt_eval_count"].take().as_u64().unwrap() > 5);
    assert_eq!(
        answer,
        json!({
            "model": "parrot",
            "created_at": "2023-11-14T22:15:23Z",
            "message": {"role": "assistant", "content": "Hello, you!"},
            "done": true,
            "done_reason": "stop",
            "total_duration": null, "load_duration": null,
            "prompt_eval_count": null, "prompt_eval_duration": null,
            "eval_count": 12, "eval_duration": null,
        })
    );
}

#[tokio::test]
async fn streamed_and_whole_answers_say_the_same() {
    for (says, path, field, body) in [
        (
            "Words, ☺ or not.",
            "/api/chat",
            "message",
            chat_body(&json!({})),
        ),
        (
            CALL,
            "/api/chat",
            "message",
            chat_body(&json!({"tools": weather()})),
        ),
        (
            "Words, ☺ or not.",
            "/api/generate",
            "response",
            json!({"model": "parrot", "prompt": "Hello?", "system": "Be brief."}),
        ),
        (
            "and more",
            "/api/generate",
            "response",
            json!({"model": "parrot:latest", "prompt": "Once", "raw": true}),
        ),
    ] {
        let server = server(says).await;
        let mut asked = body;
        asked["options"] = json!({"temperature": 0, "num_predict": 200});
        // Streams are the rule in this dialect.
        let streamed = lines(&post(&server, path, &asked).await);
        asked["stream"] = json!(false);
        let whole = post(&server, path, &asked).await;
        assert_eq!(whole.status, 200, "{}", whole.text);
        let whole = whole.json();
        let (last, pieces) = streamed.split_last().unwrap();
        assert!(last["done"] == true && pieces.iter().all(|piece| piece["done"] == false));
        for name in ["done_reason", "eval_count", "prompt_eval_count", "model"] {
            assert_eq!(last[name], whole[name], "{path}: {name}");
        }
        let text = |piece: &Value| match field {
            "message" => piece["message"]["content"].as_str().unwrap().to_owned(),
            _ => piece["response"].as_str().unwrap().to_owned(),
        };
        let said: String = streamed.iter().map(text).collect();
        assert_eq!(said, text(&whole), "{path}");
        let calls = |answer: &Value| -> Vec<Value> {
            let calls = answer["message"]["tool_calls"].as_array();
            let functions = calls
                .into_iter()
                .flatten()
                .map(|call| call["function"].clone());
            functions.collect()
        };
        let called: Vec<Value> = streamed.iter().flat_map(calls).collect();
        assert_eq!(called, calls(&whole), "{path}");
        assert_eq!(called.is_empty(), says != CALL);
    }
}

#[tokio::test]
async fn a_call_is_an_object_and_its_result_goes_back_by_name() {
    let server = server(CALL).await;
    let asked = chat_body(&json!({"tools": weather(), "stream": false}));
    let message = post(&server, "/api/chat", &asked).await.json()["message"].clone();
    let function = &message["tool_calls"][0]["function"];
    assert_eq!(function["arguments"], json!({"city": "Rome", "days": 2}));
    let mut more = asked;
    let turns = more["messages"].as_array_mut().unwrap();
    turns.push(message);
    turns.push(json!({"role": "tool", "tool_name": "weather", "content": "sun"}));
    let answer = post(&server, "/api/chat", &more).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn an_empty_request_loads_the_model() {
    let server = server("x").await;
    for (path, body) in [
        ("/api/chat", json!({"model": "parrot"})),
        (
            "/api/generate",
            json!({"model": "parrot", "keep_alive": "5m"}),
        ),
    ] {
        let answer = post(&server, path, &body).await.json();
        assert_eq!(
            (&answer["done"], &answer["done_reason"]),
            (&json!(true), &json!("load")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_has_no_effect_is_told() {
    let server = server("x").await;
    let asked = chat_body(&json!({"keep_alive": 0, "options": {"num_ctx": 8192}, "stream": false}));
    let answer = post(&server, "/api/chat", &asked).await;
    assert_eq!(
        answer.header("x-rustygpt-ignored"),
        Some("keep_alive, options.num_ctx")
    );
}

/// The order in which Copilot's provider asks.
#[tokio::test]
async fn models_are_found_as_copilot_finds_them() {
    let server = server("x").await;
    let version = server.get("/api/version").await.json();
    let numbers: Vec<u32> = version["version"]
        .as_str()
        .unwrap()
        .split('.')
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(numbers >= vec![0, 6, 4]);
    let tags = server.get("/api/tags").await.json();
    let names: Vec<&str> = tags["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["model"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["counter", "gpt-4o", "parrot"]);
    let show = async |model: &str| post(&server, "/api/show", &json!({"model": model})).await;
    let parrot = show("parrot:latest").await.json();
    assert_eq!(parrot["capabilities"], json!(["completion", "tools"]));
    let info = &parrot["model_info"];
    let architecture = info["general.architecture"].as_str().unwrap();
    assert!(
        info[format!("{architecture}.context_length")]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(info["general.basename"], "parrot");
    let counter = show("counter").await.json();
    assert_eq!(counter["capabilities"], json!(["embedding"]));
    let running = server.get("/api/ps").await.json();
    assert_eq!(running["models"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn texts_become_vectors() {
    let server = server("x").await;
    let many = json!({"model": "counter", "input": ["abc", "d"]});
    let many = post(&server, "/api/embed", &many).await.json();
    assert_eq!(many["embeddings"].as_array().unwrap().len(), 2);
    let one = json!({"model": "counter", "prompt": "abc"});
    let one = post(&server, "/api/embeddings", &one).await.json();
    assert_eq!(one["embedding"], many["embeddings"][0]);
    assert!(many["prompt_eval_count"].as_u64().unwrap() >= 4);
}

#[tokio::test]
async fn errors_are_written_as_ollamas() {
    let server = server("x").await;
    let generate = |fields: Value| {
        let mut body = json!({"model": "parrot", "prompt": "x", "stream": false});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (path, body, status, said) in [
        (
            "/api/chat",
            chat_body(&json!({"model": "nobody"})),
            404,
            "nobody",
        ),
        (
            "/api/chat",
            chat_body(&json!({"format": "xml"})),
            400,
            "'format'",
        ),
        (
            "/api/generate",
            generate(json!({"template": "{{ .Prompt }}"})),
            400,
            "'template'",
        ),
        (
            "/api/generate",
            generate(json!({"suffix": "end"})),
            400,
            "filling in the middle",
        ),
        (
            "/api/generate",
            generate(json!({"images": ["AA=="]})),
            400,
            "cannot see images",
        ),
        (
            "/api/generate",
            generate(json!({"options": {"temperature": 9}})),
            400,
            "'options.temperature'",
        ),
        ("/api/show", json!({"model": "nobody"}), 404, "nobody"),
        (
            "/api/embed",
            json!({"model": "parrot", "input": "x"}),
            400,
            "cannot embed",
        ),
        (
            "/api/embeddings",
            json!({"model": "counter", "prompt": ""}),
            400,
            "'prompt'",
        ),
    ] {
        let answer = post(&server, path, &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        let error = answer.json();
        let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["error"], "{path}");
        let message = error["error"].as_str().unwrap();
        assert!(message.contains(said), "{path}: {message}");
    }
}

/// Seen to fail with Ollama's own client, which asks for compressed answers: the body was written
/// anew and its headers were not.
#[tokio::test]
async fn errors_are_what_their_headers_say() {
    let server = server("x").await;
    for path in ["/api/chat", "/api/account/password", "/v1/messages"] {
        let request = server.request(Method::POST, path);
        let request = request.header("accept-encoding", "gzip, deflate");
        let body = chat_body(&json!({"model": "nobody", "max_tokens": 9}));
        let answer = Answer::of(request.json(&body)).await;
        assert!(answer.status >= 400, "{path}");
        assert_eq!(answer.header("content-encoding"), None, "{path}");
        assert!(answer.json().is_object(), "{path}");
        let length = answer.text.len().to_string();
        assert!(
            answer
                .header("content-length")
                .is_none_or(|told| told == length)
        );
    }
}

/// The house's own routes share the prefix and keep their own words.
#[tokio::test]
async fn the_house_keeps_its_own_errors() {
    let server = server("x").await;
    let answer = server.get("/api/account").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}

#[tokio::test]
async fn a_shape_holds_from_the_first_token() {
    let script = Script::answering("").with_margin(0.0);
    let server = Setup::new(script.without_cache_check()).start().await;
    let schema = json!({
        "type": "object", "required": ["kind"], "additionalProperties": false,
        "properties": {"kind": {"enum": ["small", "large"]}},
    });
    for (path, raw) in [
        ("/api/chat", None),
        ("/api/generate", None),
        ("/api/generate", Some(true)),
    ] {
        let mut body = chat_body(&json!({"prompt": "x", "format": schema, "stream": false}));
        body["options"] = json!({"temperature": 1, "seed": 3, "num_predict": 300});
        if let Some(raw) = raw {
            body["raw"] = json!(raw);
        }
        let answer = post(&server, path, &body).await.json();
        let said = answer["message"]["content"]
            .as_str()
            .or(answer["response"].as_str());
        let document: Value = serde_json::from_str(said.unwrap()).unwrap();
        assert!(
            ["small", "large"].contains(&document["kind"].as_str().unwrap()),
            "{path}"
        );
    }
}
