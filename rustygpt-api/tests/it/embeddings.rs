//! Texts become vectors, and what cannot is refused with the field at fault.

use super::server::{Answer, KEY, Server, Setup, chat_body, failed};
use reqwest::Method;
use rustygpt_model::engine::EmbeddingOptions;
use rustygpt_model::scripted::{Gate, Script, scripted_embedder};
use serde_json::{Value, json};

async fn server() -> Server {
    let mut setup = Setup::new(Script::answering("x"));
    let embedder = scripted_embedder("counter", None, EmbeddingOptions::default());
    setup.embedders.push(embedder.unwrap());
    setup.aliases.push(("text-embedding-3-small", "counter"));
    setup.start().await
}

async fn embed(server: &Server, fields: Value) -> Answer {
    let mut body = json!({"model": "counter", "input": "abc"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    Answer::of(server.request(Method::POST, "/v1/embeddings").json(&body)).await
}

/// The vectors of an answer, as numbers.
fn vectors(answer: &Answer) -> Vec<Vec<f64>> {
    let data = answer.json()["data"].clone();
    let vector = |entry: &Value| {
        let numbers = entry["embedding"].as_array().unwrap();
        numbers
            .iter()
            .map(|number| number.as_f64().unwrap())
            .collect()
    };
    data.as_array().unwrap().iter().map(vector).collect()
}

#[tokio::test]
async fn every_shape_of_input_has_its_vectors_in_order() {
    let server = server().await;
    // 'a', 'b', 'c' are 1, 2, 3 modulo 8.
    let answer = embed(&server, json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let third = 1.0 / 3f64.sqrt();
    let abc = [0.0, third, third, third, 0.0, 0.0, 0.0, 0.0];
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(&vectors(&answer)[0], &abc), "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["object"], "list");
    assert_eq!(body["model"], "counter");
    assert_eq!(
        body["usage"],
        json!({"prompt_tokens": 3, "total_tokens": 3})
    );
    assert_eq!(body["data"][0]["object"], "embedding");

    let tokens = embed(&server, json!({"input": [97, 98, 99]})).await;
    assert_eq!(vectors(&tokens), vectors(&answer));
    let lists = embed(&server, json!({"input": [[104, 112], [97, 98, 99]]})).await;
    assert_eq!(
        vectors(&lists),
        [
            vec![1.0, 0., 0., 0., 0., 0., 0., 0.],
            vectors(&answer)[0].clone()
        ]
    );
    let texts = embed(&server, json!({"input": ["h", "abc"], "user": "ada"})).await;
    assert_eq!(vectors(&texts), vectors(&lists));
    assert_eq!(texts.json()["data"][1]["index"], 1);
}

#[tokio::test]
async fn base64_holds_the_same_numbers() {
    use base64::Engine as _;
    let server = server().await;
    let float = vectors(&embed(&server, json!({"encoding_format": "float"})).await);
    let answer = embed(&server, json!({"encoding_format": "base64"})).await;
    let text = answer.json()["data"][0]["embedding"]
        .as_str()
        .unwrap()
        .to_owned();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    let numbers = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    let expected: Vec<f32> = float[0].iter().map(|&number| number as f32).collect();
    assert_eq!(numbers.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn fewer_dimensions_keep_length_1() {
    let server = server().await;
    let answer = embed(&server, json!({"dimensions": 2})).await;
    assert_eq!(vectors(&answer), [[0.0, 1.0]]);
    for (dimensions, code) in [(0, "unsupported_parameter"), (9, "unsupported_parameter")] {
        let answer = embed(&server, json!({"dimensions": dimensions})).await;
        assert_eq!(answer.failure(), failed(400, code, Some("dimensions")));
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_never_cut() {
    let server = server().await;
    let input = json!(["short", "long ".repeat(205)]);
    let answer = embed(&server, json!({"input": input})).await;
    let expected = failed(400, "context_length_exceeded", Some("input[1]"));
    assert_eq!(answer.failure(), expected);
    assert!(
        answer.text.contains("1024") && answer.text.contains("1025"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn what_is_no_input_is_400_and_named() {
    let server = server().await;
    let many: Vec<&str> = vec!["x"; 2049];
    for (fields, code, param) in [
        (json!({"input": ""}), "invalid_value", "input"),
        (json!({"input": []}), "invalid_value", "input"),
        (json!({"input": [[]]}), "invalid_value", "input[0]"),
        (json!({"input": ["x", ""]}), "invalid_value", "input[1]"),
        (json!({"input": ["x", 7]}), "invalid_value", "input[1]"),
        (json!({"input": many}), "invalid_value", "input"),
        (json!({"input": null}), "invalid_type", "input"),
        (json!({"input": 7}), "invalid_type", "input"),
        (json!({"input": {"a": 1}}), "invalid_type", "input"),
        (json!({"input": [true]}), "invalid_type", "input[0]"),
        (json!({"input": [-1]}), "invalid_type", "input[0]"),
        (json!({"input": [1.5]}), "invalid_type", "input[0]"),
        (json!({"input": [["x"]]}), "invalid_type", "input[0]"),
        (json!({"input": [[[1]]]}), "invalid_type", "input[0]"),
        (json!({"input": [1u64 << 40]}), "invalid_value", "input[0]"),
        (json!({"input": [300]}), "unsupported_parameter", "input"),
        (json!({"model": 7}), "invalid_type", "model"),
        (
            json!({"encoding_format": "int8"}),
            "invalid_value",
            "encoding_format",
        ),
        (
            json!({"encoding_format": 7}),
            "invalid_type",
            "encoding_format",
        ),
        (json!({"dimensions": "many"}), "invalid_type", "dimensions"),
        (json!({"dimensions": -1}), "invalid_value", "dimensions"),
        (json!({"dimensions": 1e300}), "invalid_type", "dimensions"),
    ] {
        let answer = embed(&server, fields.clone()).await;
        let (status, told, at) = answer.failure();
        assert_eq!(
            (status, told.as_str()),
            (400, code),
            "{fields}: {}",
            answer.text
        );
        assert!(at.unwrap().starts_with(param), "{fields}: {}", answer.text);
    }
    let missing = server
        .request(Method::POST, "/v1/embeddings")
        .json(&json!({"model": "counter"}));
    let expected = failed(400, "missing_required_parameter", Some("input"));
    assert_eq!(Answer::of(missing).await.failure(), expected);
    assert_eq!(
        embed(&server, json!({})).await.status,
        200,
        "the server is as well as before"
    );
}

#[tokio::test]
async fn a_model_is_asked_only_for_what_it_is_for() {
    let server = server().await;
    let unknown = embed(&server, json!({"model": "gpt-9"})).await;
    assert_eq!(
        unknown.failure(),
        failed(404, "model_not_found", Some("model"))
    );
    let wrong = failed(400, "model_not_supported", Some("model"));
    let answer = embed(&server, json!({"model": "parrot"})).await;
    assert_eq!(answer.failure(), wrong);
    assert!(
        answer.text.contains("text-embedding-3-small"),
        "{}",
        answer.text
    );
    let answer = server.answer(json!({"model": "counter"})).await;
    assert_eq!(answer.failure(), wrong);
    let says =
        "The model `counter` is an embedding model and cannot chat; these can: gpt-4o, parrot.";
    assert!(answer.text.contains(says), "{}", answer.text);
    // Neither stands in the other's way.
    assert_eq!(server.answer(json!({})).await.status, 200);
    assert_eq!(
        embed(&server, json!({"model": "text-embedding-3-small"}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn models_that_embed_are_listed_with_the_others() {
    let server = server().await;
    embed(&server, json!({"input": ["abc", "d"]})).await;
    let ids = server.get("/v1/models").await.json();
    let ids: Vec<&str> = ids["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["counter", "gpt-4o", "parrot", "text-embedding-3-small"]
    );
    let status = server.get("/status").await.json();
    let counter = &status["models"][0];
    assert_eq!(counter["kind"], "embedding");
    assert_eq!(counter["dimensions"], 8);
    assert_eq!(counter["prompt_tokens_total"], 4);
    assert_eq!(status["models"][1]["kind"], "language");
    let metrics = server.get("/metrics").await.text;
    for line in [
        "rustygpt_engine_running{model=\"counter\"} 1",
        "rustygpt_prompt_tokens_total{model=\"counter\"} 4",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_429_and_tells_when_to_come_back() {
    let gate = Gate::closed();
    let options = EmbeddingOptions {
        slots: 1,
        queue_limit: 0,
        ..EmbeddingOptions::default()
    };
    let mut setup = Setup::new(Script::answering("x"));
    let embedder = scripted_embedder("counter", Some(&gate), options).unwrap();
    setup.embedders.push(embedder);
    let server = setup.start().await;
    let body = json!({"model": "counter", "input": ["a", "b"]});
    let request = || server.request(Method::POST, "/v1/embeddings").json(&body);
    let first = server.tasks.spawn(Answer::of(request()));
    gate.wait_for_arrival(1);
    let refused = Answer::of(request()).await;
    assert_eq!(refused.failure(), failed(429, "queue_full", None));
    assert!(refused.header("retry-after").is_some());
    gate.open_for_good();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(Answer::of(request()).await.status, 200);
}

#[tokio::test]
async fn without_a_key_nothing_is_embedded() {
    let server = server().await;
    let body = json!({"model": "counter", "input": "x"});
    let request = server.client.post(server.url("/v1/embeddings")).json(&body);
    let without = request.try_clone().unwrap();
    assert_eq!(
        Answer::of(without).await.failure(),
        failed(401, "invalid_api_key", None)
    );
    assert_eq!(Answer::of(request.bearer_auth(KEY)).await.status, 200);
    assert_eq!(
        Answer::of(server.chat(&chat_body(&json!({})))).await.status,
        200
    );
}
