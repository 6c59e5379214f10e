//! The same hostility as in `hostile`, for the routes beside chat: each is refused in its own
//! dialect's envelope.

use super::server::{Answer, Server, chat_body, failure};
use reqwest::Method;
use rustygpt_common::routes::Dialect;
use serde_json::{Value, json};

const TEXT: &str = r#""word""#;
const HUGE: &str = "9223372036854775808";

/// Turns that Anthropic's dialect does not have.
const WRONG_TURNS: [&str; 8] = [
    r#"[{"role":"tool","content":"x"}]"#,
    r#"[{"role":"user"}]"#,
    r#"[{"role":"user","content":7}]"#,
    r#"[{"role":"user","content":[{}]}]"#,
    r#"[{"role":"user","content":[{"type":"text"}]}]"#,
    r#"[{"role":"user","content":[{"type":"image"}]}]"#,
    r#"[{"role":"user","content":[{"type":"tool_result"}]}]"#,
    r#"[{"role":"assistant","content":[{"type":"tool_use"}]}]"#,
];

/// A route, a request it takes, and fields with values that each must be refused.
struct Target {
    path: &'static str,
    body: Value,
    wrong: Vec<(&'static str, Vec<&'static str>)>,
}

fn targets() -> Vec<Target> {
    let whole = vec![TEXT, "[1]", "{}", "true", "0.5", "-1", "NaN", "1e400", HUGE];
    let real = vec![TEXT, "[1]", "{}", "true", "NaN", "1e400", "1e308", "-1e308"];
    let flag = vec![TEXT, "[1]", "{}", "7", "NaN"];
    let word = vec!["[1]", "{}", "7", "true", "NaN"];
    let turns = vec![TEXT, "7", "{}", "null", "[]", "[1]", "[{}]"];
    let options = vec![
        TEXT,
        "7",
        r#"{"temperature":3}"#,
        r#"{"temperature":1e400}"#,
        r#"{"num_predict":0}"#,
        r#"{"num_predict":0.5}"#,
        r#"{"top_k":-2}"#,
        r#"{"stop":[""]}"#,
        r#"{"stop":7}"#,
        r#"{"repeat_penalty":0}"#,
        r#"{"seed":9223372036854775808}"#,
        r#"{"num_ctx":-1}"#,
    ];
    vec![
        Target {
            path: "/v1/completions",
            body: json!({"model": "parrot", "prompt": "x"}),
            wrong: vec![
                ("model", word.clone()),
                (
                    "prompt",
                    vec![
                        "7",
                        "true",
                        "null",
                        "{}",
                        "\"\"",
                        "[]",
                        "[[]]",
                        "[\"\"]",
                        "[null]",
                        "[-1]",
                        "[1.5]",
                        "[4294967296]",
                        "[1,\"a\"]",
                        "[[\"a\"]]",
                        "[[[1]]]",
                        "[99999999]",
                    ],
                ),
                ("suffix", word.clone()),
                ("max_tokens", [&whole[..], &["0"]].concat()),
                ("n", [&whole[..], &["0", "9", "1000000"]].concat()),
                ("best_of", [&whole[..], &["0", "9", "1000000"]].concat()),
                ("echo", flag.clone()),
                ("logprobs", [&whole[..], &["21", "1000000"]].concat()),
                ("stream", flag.clone()),
                ("stream_options", vec![TEXT, "7", "true"]),
                ("temperature", [&real[..], &["-0.01", "2.01"]].concat()),
                ("top_p", real.clone()),
                ("stop", vec!["7", "{}", "true", "[1]", "\"\"", "[null]"]),
                (
                    "logit_bias",
                    vec![TEXT, "7", "[1]", r#"{"x":1}"#, r#"{"1":1e9}"#],
                ),
                ("seed", vec![TEXT, "[1]", "{}", "true", "0.5", HUGE]),
            ],
        },
        Target {
            path: "/v1/tokenize",
            body: json!({"model": "parrot", "prompt": "x"}),
            wrong: vec![
                ("model", word.clone()),
                ("prompt", word.clone()),
                ("messages", vec![TEXT, "7", "{}", "[1]", "[{}]"]),
                ("add_special_tokens", flag.clone()),
                ("return_token_strs", flag.clone()),
            ],
        },
        Target {
            path: "/v1/detokenize",
            body: json!({"model": "parrot", "tokens": [120]}),
            wrong: vec![
                ("model", word.clone()),
                (
                    "tokens",
                    vec![
                        TEXT,
                        "7",
                        "{}",
                        "null",
                        "[-1]",
                        "[1.5]",
                        "[4294967296]",
                        "[99999999]",
                    ],
                ),
            ],
        },
        Target {
            path: "/v1/apply-template",
            body: json!({"model": "parrot", "messages": [{"role": "user", "content": "x"}]}),
            wrong: vec![
                ("model", word.clone()),
                ("messages", turns.clone()),
                ("tools", vec![TEXT, "7", "[1]", "[{}]"]),
            ],
        },
        Target {
            path: "/v1/messages",
            body: chat_body(&json!({"max_tokens": 9})),
            wrong: vec![
                ("model", word.clone()),
                ("messages", [&turns[..], &WRONG_TURNS].concat()),
                ("max_tokens", [&whole[..], &["0", "null"]].concat()),
                (
                    "system",
                    vec![
                        "7",
                        "true",
                        "{}",
                        "[1]",
                        r#"[{"type":"image"}]"#,
                        r#"[{"type":"text"}]"#,
                    ],
                ),
                ("stop_sequences", vec![TEXT, "7", "{}", "[1]", "[\"\"]"]),
                ("stream", flag.clone()),
                ("temperature", [&real[..], &["-0.01", "2.01"]].concat()),
                ("top_p", real.clone()),
                ("top_k", vec![TEXT, "[1]", "{}", "true", "0.5", "-2", HUGE]),
                (
                    "tools",
                    vec![
                        TEXT,
                        "7",
                        "[1]",
                        "[{}]",
                        r#"[{"name":""}]"#,
                        r#"[{"name":"f","input_schema":[]}]"#,
                    ],
                ),
                (
                    "tool_choice",
                    vec![
                        TEXT,
                        "7",
                        "[]",
                        "{}",
                        r#"{"type":"any"}"#,
                        r#"{"type":"tool"}"#,
                    ],
                ),
                (
                    "output_config",
                    vec![
                        TEXT,
                        "7",
                        r#"{"effort":7}"#,
                        r#"{"effort":""}"#,
                        r#"{"format":{}}"#,
                        r#"{"format":{"type":"xml"}}"#,
                        r#"{"format":{"type":"json_schema"}}"#,
                        r#"{"format":{"type":"json_schema","schema":7}}"#,
                    ],
                ),
                (
                    "thinking",
                    vec![
                        TEXT,
                        "7",
                        "{}",
                        r#"{"type":"x"}"#,
                        r#"{"type":"enabled","budget_tokens":-1}"#,
                    ],
                ),
            ],
        },
        Target {
            path: "/v1/messages/count_tokens",
            body: chat_body(&json!({})),
            wrong: vec![("model", word.clone()), ("messages", turns.clone())],
        },
        Target {
            path: "/api/chat",
            body: chat_body(&json!({"stream": false})),
            wrong: vec![
                ("model", word.clone()),
                (
                    "messages",
                    vec![
                        TEXT,
                        "7",
                        "{}",
                        "null",
                        "[1]",
                        "[{}]",
                        r#"[{"role":"x"}]"#,
                        r#"[{"role":"user","content":7}]"#,
                        r#"[{"role":"user","content":"x","images":["AA=="]}]"#,
                        r#"[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"x"}}]}]"#,
                    ],
                ),
                ("tools", vec![TEXT, "7", "[1]", "[{}]"]),
                ("format", vec![TEXT, "7", "true", "[]", r#"{"type":7}"#]),
                ("stream", flag.clone()),
                ("think", vec!["7", "[]", "{}", "\"\""]),
                ("options", options.clone()),
            ],
        },
        Target {
            path: "/api/generate",
            body: json!({"model": "parrot", "prompt": "x", "stream": false}),
            wrong: vec![
                ("model", word.clone()),
                ("prompt", word.clone()),
                ("suffix", [&word[..], &[TEXT]].concat()),
                ("template", [&word[..], &[TEXT]].concat()),
                ("raw", flag.clone()),
                ("images", vec![TEXT, "7", "{}", "[1]", "[\"AA==\"]"]),
                ("format", vec![TEXT, "7", "true", "[]"]),
                ("stream", flag),
                ("options", options),
            ],
        },
        Target {
            path: "/api/show",
            body: json!({"model": "parrot"}),
            wrong: vec![("model", word)],
        },
    ]
}

/// Checks that a refusal is written as the dialect of its route writes it.
#[track_caller]
fn check_envelope(path: &str, status: u16, text: &str) {
    let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text:?}"));
    let mut keys: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    match Dialect::of(path) {
        Dialect::OpenAi => {
            failure(status, text);
        }
        Dialect::Anthropic => {
            assert_eq!(keys, ["error", "request_id", "type"], "{path}: {text}");
            assert_eq!(body["type"], "error", "{path}: {text}");
            assert!(body["error"]["type"].is_string(), "{path}: {text}");
            assert!(body["error"]["message"].is_string(), "{path}: {text}");
        }
        Dialect::Ollama => {
            assert_eq!(keys, ["error"], "{path}: {text}");
            assert!(body["error"].is_string(), "{path}: {text}");
        }
        Dialect::Own => panic!("{path} is no dialect's"),
    }
}

async fn post(server: &Server, path: &str, body: String) -> Answer {
    let request = server.request(Method::POST, path).body(body);
    Answer::of(request.header("content-type", "application/json")).await
}

#[tokio::test]
async fn hostile_fields_are_refused_in_the_dialects_own_words() {
    let server = Server::saying("x").await;
    let mut count = 0;
    for Target { path, body, wrong } in targets() {
        let fine = post(&server, path, body.to_string()).await;
        assert_eq!(fine.status, 200, "{path}: {}", fine.text);
        for (field, values) in wrong {
            for value in values {
                count += 1;
                let mut fields: Vec<String> = body
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| *name != field)
                    .map(|(name, value)| format!("{name:?}:{value}"))
                    .collect();
                fields.push(format!("{field:?}:{value}"));
                let answer = post(&server, path, format!("{{{}}}", fields.join(","))).await;
                assert_eq!(
                    answer.status, 400,
                    "{path}: {field}: {value}: {}",
                    answer.text
                );
                check_envelope(path, answer.status, &answer.text);
            }
        }
        for body in [
            "",
            "null",
            "[]",
            "{",
            "{}",
            "\u{feff}{}",
            "<xml/>",
            "{\"model\":\"x\"",
        ] {
            count += 1;
            let answer = post(&server, path, body.to_owned()).await;
            assert_eq!(answer.status, 400, "{path}: {body}: {}", answer.text);
            check_envelope(path, answer.status, &answer.text);
        }
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let answer = post(&server, path, deep).await;
        assert_eq!(answer.status, 400, "{path}");
        let unknown = post(&server, path, body.to_string().replace("parrot", "nobody")).await;
        assert_eq!(unknown.status, 404, "{path}: {}", unknown.text);
        check_envelope(path, unknown.status, &unknown.text);
    }
    assert!(count > 150, "{count} requests were tried");
    let after = post(&server, "/v1/completions", targets()[0].body.to_string()).await;
    assert_eq!(after.status, 200);
}
