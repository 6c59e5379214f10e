//! More than two hundred hostile requests: each is refused with the envelope of a 4xx, never 422,
//! and the server is as well as before.

use super::raw::{exchange, request};
use super::server::{Answer, Server, chat_body, failure};
use reqwest::Method;
use serde_json::{Value, json};

/// Texts that stand for one value of every kind of JSON.
const OBJECT: &str = r#"{"a":1}"#;
const LIST: &str = "[1]";
const TEXT: &str = r#""word""#;
const NUMBER: &str = "7";
const FRACTION: &str = "0.5";
const TRUE: &str = "true";
const NEGATIVE: &str = "-1";
const NAN: &str = "NaN";
const INFINITY: &str = "1e400";
/// 2^63, the first number that a signed integer cannot hold, and one that none can.
const HUGE: &str = "9223372036854775808";
const GIGANTIC: &str = "1e308";

/// Fields, and values each of them must refuse.
fn wrong_fields() -> Vec<(&'static str, Vec<&'static str>)> {
    let whole = vec![
        TEXT, LIST, OBJECT, TRUE, FRACTION, NEGATIVE, NAN, INFINITY, HUGE, GIGANTIC,
    ];
    let real = vec![
        TEXT, LIST, OBJECT, TRUE, NAN, INFINITY, HUGE, GIGANTIC, "-1e308",
    ];
    let flag = vec![TEXT, LIST, OBJECT, NUMBER, NAN];
    let word = vec![LIST, OBJECT, NUMBER, TRUE, NAN];
    vec![
        ("model", word.clone()),
        (
            "messages",
            vec![
                TEXT, OBJECT, NUMBER, TRUE, LIST, "[]", "[[]]", "[null]", "null", "[{}]",
            ],
        ),
        ("stream", flag.clone()),
        (
            "stream_options",
            vec![TEXT, NUMBER, TRUE, r#"{"include_usage":1}"#],
        ),
        ("max_tokens", [&whole[..], &["0"]].concat()),
        ("max_completion_tokens", [&whole[..], &["0"]].concat()),
        ("n", [&whole[..], &["0", "9", "1000000"]].concat()),
        ("temperature", [&real[..], &["-0.01", "2.01"]].concat()),
        ("top_p", [&real[..], &["-0.01", "1.01"]].concat()),
        (
            "top_k",
            vec![TEXT, LIST, OBJECT, TRUE, FRACTION, "-2", HUGE, NAN],
        ),
        ("min_p", real.clone()),
        ("typical_p", real.clone()),
        ("repetition_penalty", [&real[..], &["0", "-1"]].concat()),
        ("frequency_penalty", real.clone()),
        ("presence_penalty", real),
        (
            "logit_bias",
            vec![
                TEXT,
                NUMBER,
                TRUE,
                LIST,
                r#"{"x":1}"#,
                r#"{"1":"x"}"#,
                r#"{"1":1e9}"#,
                r#"{"-1":1}"#,
                r#"{"18446744073709551616":1}"#,
            ],
        ),
        (
            "seed",
            vec![
                TEXT,
                LIST,
                OBJECT,
                TRUE,
                FRACTION,
                HUGE,
                "-9223372036854775809",
            ],
        ),
        (
            "stop",
            vec![
                NUMBER, OBJECT, TRUE, "[1]", "\"\"", "[\"\"]", "[null]", "[[]]",
            ],
        ),
        (
            "stop_token_ids",
            vec![
                TEXT,
                NUMBER,
                OBJECT,
                "[-1]",
                "[\"x\"]",
                "[4294967296]",
                "[1.5]",
            ],
        ),
        ("min_tokens", whole.clone()),
        ("ignore_eos", flag.clone()),
        ("logprobs", flag.clone()),
        (
            "top_logprobs",
            [&whole[..], &["21", "255", "256", "1"]].concat(),
        ),
        (
            "tools",
            vec![
                TEXT,
                NUMBER,
                OBJECT,
                TRUE,
                "[1]",
                "[{}]",
                r#"[{"type":"x"}]"#,
                r#"[{"function":{}}]"#,
                r#"[{"function":{"name":""}}]"#,
                r#"[{"function":{"name":"f","parameters":[]}}]"#,
                r#"[{"function":{"name":"f"}},{"function":{"name":"f"}}]"#,
            ],
        ),
        (
            "tool_choice",
            vec![
                NUMBER,
                LIST,
                TRUE,
                TEXT,
                "{}",
                r#""required""#,
                r#"{"type":1}"#,
                r#"{"type":"function","function":{"name":"f"}}"#,
            ],
        ),
        ("parallel_tool_calls", flag.clone()),
        (
            "response_format",
            vec![
                TEXT,
                NUMBER,
                LIST,
                "{}",
                r#"{"type":"json_schema"}"#,
                r#"{"type":"json_schema","json_schema":{"name":"x","schema":{"not":{}}}}"#,
                r#"{"type":"json_schema","json_schema":{"name":"x","schema":false}}"#,
                r##"{"type":"json_schema","json_schema":{"schema":{"$ref":"#/a"}}}"##,
                r#"{"type":"json_object","schema":{"pattern":"(?=x)"}}"#,
                r#"{"type":"x"}"#,
            ],
        ),
        (
            "reasoning_effort",
            [&word[..], &["\"\"", "\"a b\"", "\"\\u0000\""]].concat(),
        ),
        ("reasoning", vec![TEXT, NUMBER, TRUE, r#"{"effort":1}"#]),
        ("enable_thinking", flag.clone()),
        (
            "chat_template_kwargs",
            vec![
                TEXT,
                NUMBER,
                LIST,
                r#"{"messages":1}"#,
                r#"{"chat_template":"{{ 1 }}"}"#,
                r#"{"bos_token":"x"}"#,
            ],
        ),
        ("continue_final_message", [&flag[..], &[TRUE]].concat()),
        (
            "prediction",
            vec![
                TEXT,
                NUMBER,
                LIST,
                "{}",
                r#"{"content":1}"#,
                r#"{"content":[{}]}"#,
            ],
        ),
        (
            "modalities",
            vec![TEXT, NUMBER, OBJECT, r#"["audio"]"#, "[1]"],
        ),
    ]
}

/// Messages that must be refused.
const WRONG_MESSAGES: [&str; 22] = [
    r#"{"role":"user"}"#,
    r#"{"role":"user","content":null}"#,
    r#"{"role":"user","content":7}"#,
    r#"{"role":"user","content":true}"#,
    r#"{"role":"user","content":{"text":"x"}}"#,
    r#"{"role":"user","content":[7]}"#,
    r#"{"role":"user","content":["x"]}"#,
    r#"{"role":"user","content":[{}]}"#,
    r#"{"role":"user","content":[{"type":"text"}]}"#,
    r#"{"role":"user","content":[{"type":"text","text":7}]}"#,
    r#"{"role":"user","content":[{"type":"x"}]}"#,
    r#"{"role":"user","content":[{"type":"image_url"}]}"#,
    r#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#,
    r#"{"role":"user","content":[{"type":"image_url","image_url":"http://169.254.169.254/"}]}"#,
    r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"exe"}}]}"#,
    r#"{"role":"king","content":"x"}"#,
    r#"{"role":7,"content":"x"}"#,
    r#"{"content":"x"}"#,
    r#"{"role":"tool","content":"x"}"#,
    r#"{"role":"assistant","tool_calls":7}"#,
    r#"{"role":"assistant","tool_calls":[{"type":"function"}]}"#,
    r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]}"#,
];

fn with(field: &str, value: &str) -> Vec<u8> {
    let mut text = String::from("{");
    for (name, usual) in [
        ("model", "\"parrot\"".to_owned()),
        ("messages", r#"[{"role":"user","content":"x"}]"#.to_owned()),
    ] {
        if name != field {
            text += &format!("\"{name}\":{usual},");
        }
    }
    text += &format!("\"{field}\":{value}}}");
    text.into_bytes()
}

/// Bodies that are no request at all.
fn wrong_bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| {
        let nested = open.repeat(100_000) + "1" + &close.repeat(100_000);
        with("x", &nested)
    };
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "7",
        "\"x\"",
        "[]",
        "{",
        "}",
        "{}",
        "{]",
        "{\"model\"",
        "{\"model\":}",
        "{'model':'parrot'}",
        "model=parrot",
        "{\"model\":\"parrot\"}",
        "{\"messages\":[]}",
        "\u{feff}{}",
        "{}{}",
        "{\"model\":\"parrot\",\"model\":\"parrot\",\"messages\":[]}",
        "{\"model\":\"\\ud800\",\"messages\":[]}",
        "{\"model\":\"\u{1}\",\"messages\":[]}",
        "{\"model\":\"parrot\",\"messages\":[],}",
        "<xml/>",
        "{\"model\":01}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push(vec![0xff; 100]);
    bodies.push(vec![0; 100]);
    bodies.push(
        b"{\"model\":\"parrot\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\x28\"}]}"
            .to_vec(),
    );
    bodies.push(b"{\"model\":\"parrot\",\"messages\":[],\"\xff\":1}".to_vec());
    bodies.push(deep("[", "]"));
    bodies.push(deep("{\"a\":", "}"));
    bodies.push("[".repeat(100_000).into_bytes());
    bodies.push(with("x", &format!("[{}0]", "0,".repeat(300_000))));
    bodies.push(with(
        "stop",
        &format!("[{}\"a\"]", "\"a\",".repeat(100_000)),
    ));
    bodies.push(with("messages", &format!("[{}0]", "0,".repeat(100_000))));
    bodies.push(with(
        "stop_token_ids",
        &format!("[{}0]", "0,".repeat(100_000)),
    ));
    bodies.push(with(
        "tools",
        &format!("[{}1]", "{\"function\":{\"name\":\"f\"}},".repeat(2000)),
    ));
    bodies.push(with("model", &format!("\"{}\"", "m".repeat(1 << 20))));
    bodies.push(with("max_tokens", &"9".repeat(1 << 16)));
    bodies.push(vec![b' '; 9 << 20]);
    bodies
}

async fn post(server: &Server, body: Vec<u8>) -> Answer {
    let request = server
        .request(Method::POST, "/v1/chat/completions")
        .body(body);
    Answer::of(request.header("content-type", "application/json")).await
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_the_field_is_named() {
    let server = Server::saying("x").await;
    let mut count = 0;
    for (field, values) in wrong_fields() {
        for value in values {
            count += 1;
            let answer = post(&server, with(field, value)).await;
            let (status, code, param) = answer.failure();
            assert_eq!(status, 400, "{field}: {value}: {}", answer.text);
            // What is not JSON has no fields.
            if code != "invalid_json" {
                let param = param.unwrap_or_default();
                assert!(
                    param.starts_with(field),
                    "{field}: {value}: {}",
                    answer.text
                );
            }
        }
    }
    for message in WRONG_MESSAGES {
        count += 1;
        let answer = post(&server, with("messages", &format!("[{message}]"))).await;
        let (status, _, param) = answer.failure();
        assert_eq!(status, 400, "{message}: {}", answer.text);
        assert!(
            param.unwrap().starts_with("messages"),
            "{message}: {}",
            answer.text
        );
    }
    for body in wrong_bodies() {
        count += 1;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = post(&server, body).await;
        let (status, ..) = answer.failure();
        assert!(
            [400, 404, 413].contains(&status),
            "{shown}: {}",
            answer.text
        );
        assert!(
            answer.text.len() < 2000,
            "{shown}: the answer quotes too much"
        );
    }
    assert!(count > 200, "only {count} hostile requests");
    assert_eq!(
        server.answer(json!({})).await.status,
        200,
        "the server is well"
    );
}

/// Heads that must not be answered with success; `None` where hyper may simply hang up.
const WRONG_HEADS: [&str; 12] = [
    "GET /\u{0} HTTP/1.1\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "get\r\n\r\n",
    "\r\n\r\n\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xyz\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
];

#[tokio::test]
async fn broken_http_is_refused_or_hung_up_on() {
    let mut setup = super::server::Setup::new(rustygpt_model::scripted::Script::answering("x"));
    setup.options.header_time = std::time::Duration::from_millis(50);
    let server = setup.start().await;
    for head in WRONG_HEADS {
        if let Some(answer) = exchange(server.address, head.as_bytes()).await {
            assert!((400..500).contains(&answer.status), "{head:?}: {answer:?}");
        }
    }
    // Smuggling: a length beside chunks; hyper keeps the chunks and closes, or refuses.
    let body = chat_body(&json!({})).to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let lines = ["Transfer-Encoding: chunked", "Content-Length: 4"];
    let bytes = request(
        &server,
        "POST /v1/chat/completions",
        &lines,
        chunked.as_bytes(),
    );
    let bytes = [bytes, request(&server, "GET /v1/models", &[], b"")].concat();
    let answer = exchange(server.address, &bytes).await.unwrap();
    if answer.status != 200 {
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    assert_eq!(
        server.get("/healthz").await.status,
        200,
        "the server is well"
    );
}

#[tokio::test]
async fn a_broken_chunk_is_400_with_the_envelope() {
    let server = Server::saying("x").await;
    let lines = [
        "Transfer-Encoding: chunked",
        "Content-Type: application/json",
    ];
    let bytes = request(
        &server,
        "POST /v1/chat/completions",
        &lines,
        b"zz\r\n{}\r\n",
    );
    let answer = exchange(server.address, &bytes).await.unwrap();
    let (status, code, _) = failure(answer.status, &answer.text());
    assert_eq!((status, code.as_str()), (400, "bad_request"));
}

#[tokio::test]
async fn numbers_at_the_edge_are_accepted() {
    let server = Server::saying("x").await;
    for fields in [
        json!({"temperature": 0}),
        json!({"temperature": 2, "top_p": 1, "min_p": 0, "typical_p": 1}),
        json!({"top_p": 0}),
        json!({"temperature": 1e-300, "top_p": 1e-300, "typical_p": 1e-300}),
        json!({"top_k": -1}),
        json!({"top_k": 2_147_483_647}),
        json!({"n": 8}),
        json!({"seed": i64::MIN}),
        json!({"max_tokens": u32::MAX}),
        json!({"repetition_penalty": 0.01, "frequency_penalty": -2, "presence_penalty": 2}),
        json!({"logprobs": true, "top_logprobs": 20}),
        json!({"stop": []}),
        json!({"tools": [], "tool_choice": "auto", "response_format": {"type": "text"}}),
        json!({"stop": null, "tools": null, "temperature": null, "stream": null, "n": null}),
    ] {
        let answer = server.answer(fields.clone()).await;
        assert_eq!(answer.status, 200, "{fields}: {}", answer.text);
        let said: Value = answer.json()["choices"][0]["message"]["content"].clone();
        assert!(said.is_string(), "{fields}");
    }
}
