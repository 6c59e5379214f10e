//! Tokens: what is set aside for requests that run at once, what comes back, what headers tell.

use super::accounts::{Person, town};
use super::server::{Answer, Server, Setup, chat_body};
use reqwest::{Method, Response};
use rustygpt_model::scripted::{Gate, Script};
use rustygpt_orchestrator::access::Role;
use serde_json::json;
use std::time::Duration;

/// A key of somebody, with so many tokens a day.
async fn key(server: &Server, tokens: u64) -> String {
    holder(server, tokens).await.1
}

/// Somebody, and such a key of theirs.
async fn holder(server: &Server, tokens: u64) -> (Person, String) {
    let ada = server.resident("ada@example.org", Role::User).await;
    let wish = json!({"quota": {"tokens": tokens, "period": "day"}});
    let request = server.by(&ada.token, Method::POST, "/api/account/keys");
    let made = Answer::of(request.json(&wish)).await.json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    (ada, secret)
}

fn number(response: &Response, header: &str) -> u64 {
    let value = response.headers().get(header);
    let value = value.unwrap_or_else(|| panic!("no {header}"));
    value.to_str().unwrap().parse().unwrap()
}

/// Seen to fail when a request set aside one token instead of all it may take.
#[tokio::test]
async fn requests_at_once_overrun_a_quota_by_one_at_most() {
    const QUOTA: u64 = 1000;
    let gate = Gate::closed();
    let mut setup = Setup::new(Script::answering("hello").behind(&gate));
    setup.accounts = true;
    let server = setup.start().await;
    let key = key(&server, QUOTA).await;
    let body = chat_body(&json!({"stream": true, "max_tokens": 300}));
    let ask = || {
        let request = server.by(&key, Method::POST, "/v1/chat/completions");
        request.json(&body).send()
    };
    let mut left = QUOTA;
    let mut running = Vec::new();
    let refused = loop {
        let response = ask().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        assert_eq!(number(&response, "x-ratelimit-limit-tokens"), QUOTA);
        let now_left = number(&response, "x-ratelimit-remaining-tokens");
        assert!(now_left < left, "{now_left} of {left} are left");
        left = now_left;
        running.push(response);
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(left, 0);
    // Three times 300 and the prompts; the fourth has what is left.
    assert!((3..=4).contains(&running.len()), "{}", running.len());
    gate.open_for_good();
    for response in running {
        let text = response.text().await.unwrap();
        assert!(text.contains("[DONE]"), "{text}");
    }
    // What they did not take has come back when they have ended.
    let again = ask().await.unwrap();
    assert_eq!(again.status(), 200);
    let seconds = again.headers()["x-ratelimit-reset-tokens"]
        .to_str()
        .unwrap();
    let seconds: u64 = seconds.strip_suffix('s').unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&seconds));
}

/// Was: it paid for its prompt alone. Whoever hung up before the last token read for nothing.
#[tokio::test]
async fn who_hangs_up_pays_for_what_was_written() {
    // No piece twice, so that hardly any is guessed.
    let text: String = ('a'..='z').chain('A'..='Z').collect();
    let gate = Gate::closed();
    let mut setup = Setup::new(Script::answering(text.as_str()).behind(&gate));
    setup.accounts = true;
    let server = setup.start().await;
    let (ada, key) = holder(&server, 100_000).await;
    let request = server.by(&key, Method::POST, "/v1/chat/completions");
    let body = chat_body(&json!({"stream": true}));
    let mut response = request.json(&body).send().await.unwrap();
    gate.open(12);
    let mut seen = String::new();
    while !seen.contains("\"e\"") {
        let chunk = response.chunk().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    drop(response);
    let used = async || {
        let request = server.by(&ada.token, Method::GET, "/api/account/usage");
        let days = Answer::of(request).await.json();
        days[0]["completion_tokens"].as_u64().unwrap_or_default()
    };
    // The server learns that it is gone in its own time.
    let limit = Duration::from_secs(30);
    let written = async {
        loop {
            match used().await {
                0 => tokio::task::yield_now().await,
                tokens => return tokens,
            }
        }
    };
    let tokens = tokio::time::timeout(limit, written).await.unwrap();
    assert!((5..text.len() as u64).contains(&tokens), "{tokens}");
}

#[tokio::test]
async fn who_asks_as_soon_as_they_have_their_answer_is_not_refused() {
    let server = town().await;
    // Less than the default length of an answer.
    let key = key(&server, 100_000).await;
    for _ in 0..5 {
        let request = server.by(&key, Method::POST, "/v1/chat/completions");
        let body = chat_body(&json!({"max_tokens": 99_999}));
        let answer = Answer::of(request.json(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-ratelimit-remaining-tokens"), Some("0"));
    }
}

#[tokio::test]
async fn a_key_without_a_quota_has_the_servers() {
    let server = town().await;
    let admin = server.resident("admin@example.org", Role::Admin).await;
    let made = server.by(&admin.token, Method::POST, "/api/account/keys");
    let made = Answer::of(made.json(&json!({}))).await.json();
    let key = made["secret"].as_str().unwrap();
    let ask = async || {
        let request = server.by(key, Method::POST, "/v1/chat/completions");
        Answer::of(request.json(&chat_body(&json!({"max_tokens": 5})))).await
    };
    assert_eq!(ask().await.header("x-ratelimit-limit-tokens"), None);
    let path = "/api/admin/settings/tokens_per_day";
    let change = server.by(&admin.token, Method::PUT, path);
    let changed = Answer::of(change.json(&json!({"value": 1}))).await;
    assert_eq!(changed.status, 204, "{}", changed.text);
    let last = ask().await;
    assert_eq!(last.header("x-ratelimit-limit-tokens"), Some("1"));
    assert_eq!((last.status, ask().await.status), (200, 429));
}
