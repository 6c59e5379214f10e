//! Passwords: changed, forgotten, guessed.

use super::{PASSWORD, Person, credentials, problem, refused, town_at};
use crate::home::{Home, on_both_homes};
use crate::server::Answer;
use reqwest::Method;
use rustygpt_orchestrator::access::Role;
use serde_json::{Value, json};
use std::time::Duration;

on_both_homes!(
    a_new_password_ends_the_other_sign_ins,
    a_forgotten_password_is_set_by_a_code_from_an_administrator,
    guessing_passwords_is_slowed_down_by_address_and_by_account,
);

async fn a_new_password_ends_the_other_sign_ins(home: Home) {
    let server = town_at(home).await;
    let here = server.resident("ada@example.org", Role::User).await;
    let there = server.sign_in("ada@example.org").await;
    let sign_ins = Answer::of(server.by(&here.token, Method::GET, "/api/account/sign-ins"));
    let sign_ins = sign_ins.await.json();
    let marks: Vec<bool> = sign_ins
        .as_array()
        .unwrap()
        .iter()
        .map(|sign_in| sign_in["is_this_one"].as_bool().unwrap())
        .collect();
    assert_eq!(marks.iter().filter(|&&mark| mark).count(), 1);
    assert_eq!(marks.len(), 2);
    let change = |password: &str, new: &str| {
        let body = json!({"password": password, "new_password": new});
        let request = server.by(&here.token, Method::POST, "/api/account/password");
        Answer::of(request.json(&body))
    };
    assert_eq!(problem(&change("wrong", "a new password").await).0, 400);
    assert_eq!(problem(&change(PASSWORD, "short").await).0, 400);
    assert_eq!(change(PASSWORD, "a new password").await.status, 204);
    let ask = |person: &Person| Answer::of(server.by(&person.token, Method::GET, "/api/account"));
    assert_eq!(
        (ask(&here).await.status, ask(&there).await.status),
        (200, 401)
    );
    let old = server
        .post("/api/auth/sign-in", credentials("ada@example.org"))
        .await;
    assert_eq!(old.status, 401);
}

async fn a_forgotten_password_is_set_by_a_code_from_an_administrator(home: Home) {
    let server = town_at(home).await;
    let admin = server.resident("ada@example.org", Role::Admin).await;
    let bob = server.resident("bob@example.org", Role::User).await;
    let path = format!("/api/admin/accounts/{}/reset", bob.id);
    let code = Answer::of(server.by(&admin.token, Method::POST, &path))
        .await
        .json();
    let reset = |code: &Value| {
        let body = json!({"code": code, "new_password": "a new password"});
        server.post("/api/auth/reset", body)
    };
    assert_eq!(reset(&code["code"]).await.status, 204);
    assert_eq!(
        problem(&reset(&code["code"]).await),
        refused(400, "invalid_value")
    );
    let ask = server.by(&bob.token, Method::GET, "/api/account");
    assert_eq!(Answer::of(ask).await.status, 401, "whoever was in is out");
    let body = json!({"email": "bob@example.org", "password": "a new password"});
    assert_eq!(server.post("/api/auth/sign-in", body).await.status, 200);
}

async fn guessing_passwords_is_slowed_down_by_address_and_by_account(home: Home) {
    let server = town_at(home).await;
    server.add("ada@example.org", Role::User).await;
    let guess = || {
        let body = json!({"email": "ada@example.org", "password": "guess"});
        server.post("/api/auth/sign-in", body)
    };
    let mut statuses = Vec::new();
    for _ in 0..31 {
        statuses.push(guess().await.status);
    }
    assert_eq!(statuses[..30], [401; 30]);
    assert_eq!(statuses[30], 429, "30 attempts a minute and address");
    let refused_now = guess().await;
    assert_eq!(problem(&refused_now), refused(429, "rate_limit_exceeded"));
    assert!(refused_now.header("retry-after").is_some());
    // Another minute, and the address may try again; the account hears nobody for a while.
    server.clock.advance(Duration::from_secs(60));
    let right = server
        .post("/api/auth/sign-in", credentials("ada@example.org"))
        .await;
    assert_eq!(right.status, 401);
    server.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(
        server
            .post("/api/auth/sign-in", credentials("ada@example.org"))
            .await
            .status,
        200
    );
}
