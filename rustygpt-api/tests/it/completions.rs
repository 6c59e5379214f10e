//! `/v1/completions`.

use super::server::{Answer, Server, failed};
use reqwest::Method;
use rustygpt_common::sse::Parser;
use serde_json::{Value, json};

async fn complete(server: &Server, fields: Value) -> Answer {
    let mut body = json!({"model": "parrot", "prompt": "Once upon a time"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = server.request(Method::POST, "/v1/completions");
    Answer::of(request.json(&body)).await
}

/// The pieces of a stream, which must end with `[DONE]`.
fn pieces(text: &str) -> Vec<Value> {
    let events = Parser::default().push(text.as_bytes()).unwrap();
    let (last, pieces) = events.split_last().unwrap();
    assert_eq!(last.data, "[DONE]");
    let read = |event: &rustygpt_common::sse::Event| serde_json::from_str(&event.data).unwrap();
    pieces.iter().map(read).collect()
}

fn text_of(choice: &Value) -> &str {
    choice["text"].as_str().unwrap()
}

#[tokio::test]
async fn a_whole_answer_has_every_key_clients_read() {
    let server = Server::saying("there was.").await;
    let answer = complete(&server, json!({"echo": true, "max_tokens": 100})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut completion = answer.json();
    let fingerprint = completion["system_fingerprint"].take();
    assert!(fingerprint.as_str().unwrap().starts_with("fp_"));
    assert_eq!(
        completion,
        json!({
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1_700_000_123,
            "model": "parrot",
            "choices": [{
                "text": "Once upon a timethere was.",
                "index": 0,
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": 16,
                "completion_tokens": 11,
                "total_tokens": 27,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
                },
            },
            "system_fingerprint": null,
        })
    );
}

#[tokio::test]
async fn who_does_not_say_how_much_gets_sixteen_tokens() {
    let server = Server::saying("a much longer text than that").await;
    let choice = complete(&server, json!({})).await.json()["choices"][0].clone();
    assert_eq!(
        (text_of(&choice), &choice["finish_reason"]),
        ("a much longer te", &json!("length"))
    );
}

#[tokio::test]
async fn every_shape_of_prompt_is_read() {
    let server = Server::saying("x").await;
    for (prompt, echoed) in [
        (json!("ab"), vec!["abx"]),
        (json!(["ab", "c"]), vec!["abx", "cx"]),
        (json!([97, 98]), vec!["abx"]),
        (json!([[97], [98, 99]]), vec!["ax", "bcx"]),
        (json!(["a", [98]]), vec!["ax", "bx"]),
    ] {
        let answer = complete(&server, json!({"prompt": prompt, "echo": true}))
            .await
            .json();
        let choices = answer["choices"].as_array().unwrap();
        let texts: Vec<&str> = choices.iter().map(text_of).collect();
        assert_eq!(texts, echoed, "{prompt}");
        for (index, choice) in choices.iter().enumerate() {
            assert_eq!(choice["index"], index);
        }
    }
}

#[tokio::test]
async fn streamed_and_whole_answers_say_the_same() {
    let server = Server::saying("The same words, ☺ or not.").await;
    let asked = json!({
        "prompt": ["one", "two"], "n": 2, "echo": true, "temperature": 0, "max_tokens": 50,
    });
    let whole = complete(&server, asked.clone()).await.json();
    let mut streamed = asked;
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({"include_usage": true});
    let pieces = pieces(&complete(&server, streamed).await.text);
    let (last, pieces) = pieces.split_last().unwrap();
    // The second answer finds its prompt in the cache.
    for count in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert_eq!(last["usage"][count], whole["usage"][count], "{count}");
    }
    assert_eq!(last["choices"], json!([]));
    let mut texts = vec![String::new(); 4];
    let mut reasons = vec![Value::Null; 4];
    for piece in pieces {
        assert_eq!(piece["object"], "text_completion");
        assert_eq!(piece["usage"], Value::Null);
        let choice = &piece["choices"][0];
        let index = choice["index"].as_u64().unwrap() as usize;
        texts[index].push_str(text_of(choice));
        if !choice["finish_reason"].is_null() {
            reasons[index] = choice["finish_reason"].clone();
        }
    }
    let choices = whole["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 4);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(texts[index], text_of(choice));
        assert_eq!(reasons[index], choice["finish_reason"]);
    }
}

#[tokio::test]
async fn nobody_hears_of_usage_who_did_not_ask() {
    let server = Server::saying("x").await;
    let pieces = pieces(&complete(&server, json!({"stream": true})).await.text);
    for piece in &pieces {
        assert_eq!(piece["choices"].as_array().unwrap().len(), 1);
        assert_eq!(piece.get("usage"), None);
    }
}

#[tokio::test]
async fn tokens_are_told_with_their_places() {
    let server = Server::saying("a☺b").await;
    let choice = &complete(&server, json!({"logprobs": 2})).await.json()["choices"][0];
    let logprobs = &choice["logprobs"];
    assert_eq!(
        logprobs["tokens"],
        json!(["a", "bytes:\\xe2", "bytes:\\x98", "bytes:\\xba", "b"])
    );
    assert_eq!(logprobs["text_offset"], json!([0, 1, 2, 2, 2]));
    for list in ["token_logprobs", "top_logprobs"] {
        assert_eq!(logprobs[list].as_array().unwrap().len(), 5, "{list}");
    }
    assert_eq!(logprobs["top_logprobs"][0].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn the_best_of_several_are_given() {
    let server = Server::saying("x").await;
    let answer = complete(&server, json!({"best_of": 4, "n": 2}))
        .await
        .json();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 2);
    // All four were written.
    assert_eq!(answer["usage"]["completion_tokens"], 8);
    assert_eq!(answer["choices"][0]["logprobs"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let server = Server::saying("x").await;
    for (fields, code, param) in [
        // This model has no tokens for it.
        (json!({"suffix": "end"}), "unsupported_parameter", "suffix"),
        (
            json!({"suffix": "end", "prompt": ["a", "b"]}),
            "unsupported_parameter",
            "suffix",
        ),
        (
            json!({"echo": true, "logprobs": 1}),
            "unsupported_parameter",
            "logprobs",
        ),
        (json!({"best_of": 1, "n": 2}), "invalid_value", "best_of"),
        (
            json!({"best_of": 2, "stream": true}),
            "invalid_value",
            "best_of",
        ),
        (json!({"prompt": vec!["x"; 65]}), "invalid_value", "prompt"),
        (
            json!({"prompt": vec!["x"; 33], "n": 2}),
            "invalid_value",
            "prompt",
        ),
        (
            json!({"prompt": [999_999]}),
            "unsupported_parameter",
            "prompt",
        ),
    ] {
        let answer = complete(&server, fields.clone()).await;
        assert_eq!(answer.failure(), failed(400, code, Some(param)), "{fields}");
    }
}

#[tokio::test]
async fn texts_become_tokens_and_back() {
    let server = Server::saying("x").await;
    let post = async |path: &str, body: Value| {
        Answer::of(server.request(Method::POST, path).json(&body)).await
    };
    for body in [
        json!({"model": "parrot", "prompt": "aé", "return_token_strs": true}),
        // As llama.cpp's clients write it.
        json!({"model": "gpt-4o", "content": "aé", "add_special": false, "with_pieces": true}),
    ] {
        let answer = post("/v1/tokenize", body).await.json();
        assert_eq!(
            (&answer["count"], &answer["tokens"]),
            (&json!(3), &json!([97, 195, 169]))
        );
        assert_eq!(answer["token_strs"], json!(["a", "\u{fffd}", "\u{fffd}"]));
        assert!(answer["max_model_len"].as_u64().unwrap() > 0);
    }
    let back = post(
        "/v1/detokenize",
        json!({"model": "parrot", "tokens": [97, 195, 169]}),
    )
    .await;
    assert_eq!(back.json(), json!({"prompt": "aé"}));
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let rendered = post(
        "/v1/apply-template",
        json!({"model": "parrot", "messages": messages}),
    )
    .await;
    let expected = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(rendered.json(), json!({"prompt": expected}));
    let counted = post(
        "/v1/tokenize",
        json!({"model": "parrot", "messages": messages}),
    )
    .await;
    // What stands between the three control tokens are single bytes.
    let marks = "<|im_start|><|im_end|><|im_start|>".len();
    assert_eq!(counted.json()["count"], expected.len() - marks + 3);
    for (path, body, code, param) in [
        (
            "/v1/tokenize",
            json!({"model": "parrot"}),
            "missing_required_parameter",
            "prompt",
        ),
        (
            "/v1/tokenize",
            json!({"model": "parrot", "prompt": "x", "messages": messages}),
            "invalid_value",
            "messages",
        ),
        (
            "/v1/detokenize",
            json!({"model": "parrot", "tokens": [259]}),
            "unsupported_parameter",
            "tokens",
        ),
    ] {
        let answer = post(path, body).await;
        assert_eq!(answer.failure(), failed(400, code, Some(param)), "{path}");
    }
}

#[tokio::test]
async fn nobody_pretends_to_judge_texts() {
    let server = Server::saying("x").await;
    let request = server.request(Method::POST, "/v1/moderations");
    let answer = Answer::of(request.json(&json!({"input": "x"}))).await;
    assert_eq!(answer.failure(), failed(501, "not_implemented", None));
    // Clients try again whatever is 5xx, unless they are told not to.
    assert_eq!(answer.header("x-should-retry"), Some("false"));
}
