//! Keys of an account, their rates and quotas.

use super::town_at;
use crate::home::{Home, on_both_homes};
use crate::server::{Answer, chat_body};
use reqwest::Method;
use rustygpt_orchestrator::access::Role;
use serde_json::json;
use std::time::Duration;

on_both_homes!(
    a_key_is_shown_once_opens_inference_and_is_bounded,
    a_quota_of_tokens_ends,
);

async fn a_key_is_shown_once_opens_inference_and_is_bounded(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let wish = json!({"name": "laptop", "requests_per_minute": 3});
    let request = server.by(&ada.token, Method::POST, "/api/account/keys");
    let made = Answer::of(request.json(&wish)).await.json();
    let key = made["secret"].as_str().unwrap();
    let list = || Answer::of(server.by(&ada.token, Method::GET, "/api/account/keys"));
    let listed = list().await;
    assert!(!listed.text.contains(key), "never again");
    assert_eq!(listed.json()[0]["scopes"], json!(["inference"]));
    let chat = || {
        let request = server.by(key, Method::POST, "/v1/chat/completions");
        Answer::of(request.json(&chat_body(&json!({}))))
    };
    let first = chat().await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("3"));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("2"));
    assert_eq!(first.header("x-ratelimit-reset-requests"), Some("20s"));
    assert_eq!((chat().await.status, chat().await.status), (200, 200));
    let fourth = chat().await;
    assert_eq!(
        fourth.failure(),
        (429, "rate_limit_exceeded".to_owned(), None)
    );
    assert_eq!(fourth.header("retry-after"), Some("20"));
    server.clock.advance(Duration::from_secs(20));
    assert_eq!(chat().await.status, 200);
    let own = Answer::of(server.by(key, Method::GET, "/api/account")).await;
    assert_eq!(own.status, 429, "every request of the key counts");
    let id = made["key"]["id"].as_str().unwrap();
    let path = format!("/api/account/keys/{id}");
    let revoked = Answer::of(server.by(&ada.token, Method::DELETE, &path)).await;
    assert_eq!(revoked.status, 204);
    assert_eq!(chat().await.status, 401);
    assert!(list().await.json()[0]["revoked"].is_i64());
}

async fn a_quota_of_tokens_ends(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let wish = json!({"quota": {"tokens": 20, "period": "day"}});
    let request = server.by(&ada.token, Method::POST, "/api/account/keys");
    let made = Answer::of(request.json(&wish)).await.json();
    let key = made["secret"].as_str().unwrap();
    let mut answers = Vec::new();
    loop {
        let request = server.by(key, Method::POST, "/v1/chat/completions");
        let answer = Answer::of(request.json(&chat_body(&json!({})))).await;
        let is_over = answer.status != 200;
        answers.push(answer);
        // What a request took is charged after it: a few more may slip through.
        if is_over || answers.len() > 200 {
            break;
        }
    }
    let last = answers.last().unwrap();
    assert_eq!(last.failure().1, "rate_limit_exceeded", "{}", last.text);
    assert!(last.header("retry-after").is_some());
    assert!(answers.len() > 1, "there was something to spend");
    let models = server.by(key, Method::GET, "/v1/models");
    assert_eq!(
        Answer::of(models).await.status,
        200,
        "looking costs nothing"
    );
    let usage = server.by(&ada.token, Method::GET, "/api/account/usage");
    let usage = Answer::of(usage).await.json();
    assert!(usage[0]["requests"].as_u64().unwrap() >= 1, "{usage}");
}
