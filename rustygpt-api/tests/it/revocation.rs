//! Whoever loses access loses what they began, too.
//!
//! Each was seen to fail with the cancelling in `accounts/live.rs` taken out.

use super::accounts::{PASSWORD, Person, problem};
use super::home::{Home, on_both_homes};
use super::server::{Answer, Server, Setup, chat_body};
use futures::StreamExt;
use reqwest::{Method, Response};
use rustygpt_model::scripted::{Gate, Script};
use rustygpt_orchestrator::access::Role;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_homes!(
    demoting_disabling_and_signing_out_close_open_streams,
    revoking_a_key_closes_its_streams_and_no_others,
    a_revocation_by_another_process_is_seen,
);

/// A server whose model waits after its first words, and its gate.
async fn slow_town(home: Home) -> (Server, Gate) {
    let gate = Gate::closed();
    let mut setup = Setup::new(Script::answering("a long story ".repeat(50)).behind(&gate));
    setup.accounts = true;
    setup.home = home;
    gate.open(3);
    (setup.start().await, gate)
}

/// Begins a stream and waits for its first piece.
async fn begin(server: &Server, bearer: &str) -> Response {
    let request = server.by(bearer, Method::POST, "/v1/chat/completions");
    let mut response = request
        .json(&chat_body(&json!({"stream": true})))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.chunk().await.unwrap().is_some());
    response
}

/// What still comes of a stream, which must end by itself while the model stands still.
async fn rest(response: Response) -> String {
    let mut text = String::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    text
}

async fn ends(response: Response) {
    let text = tokio::time::timeout(Duration::from_secs(5), rest(response)).await;
    let text = text.unwrap_or_else(|_| panic!("the stream goes on after 5 s"));
    assert!(text.contains("permission_denied"), "{text}");
    assert!(!text.contains("[DONE]"), "{text}");
}

async fn change(server: &Server, admin: &Person, id: &str, change: Value) {
    let path = format!("/api/admin/accounts/{id}");
    let request = server.by(&admin.token, Method::PUT, &path).json(&change);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn demoting_disabling_and_signing_out_close_open_streams(home: Home) {
    let (server, gate) = slow_town(home).await;
    let admin = server.resident("root@example.org", Role::Admin).await;
    let bystander = server.resident("bob@example.org", Role::User).await;
    let untouched = begin(&server, &bystander.token).await;
    for (email, role, act) in [
        ("a@example.org", Role::User, json!({"role": "read-only"})),
        ("b@example.org", Role::Admin, json!({"role": "user"})),
        ("c@example.org", Role::User, json!({"state": "disabled"})),
    ] {
        gate.open(3);
        let person = server.resident(email, role).await;
        let stream = begin(&server, &person.token).await;
        change(&server, &admin, &person.id, act).await;
        ends(stream).await;
    }
    gate.open(3);
    let leaving = server.resident("d@example.org", Role::User).await;
    let stream = begin(&server, &leaving.token).await;
    let out = server.by(&leaving.token, Method::POST, "/api/auth/sign-out");
    assert_eq!(Answer::of(out).await.status, 204);
    ends(stream).await;
    gate.open_for_good();
    assert!(
        rest(untouched).await.contains("[DONE]"),
        "nobody else is disturbed"
    );
}

async fn revoking_a_key_closes_its_streams_and_no_others(home: Home) {
    let (server, gate) = slow_town(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let request = server.by(&ada.token, Method::POST, "/api/account/keys");
    let key = Answer::of(request.json(&json!({}))).await.json();
    let (id, secret) = (
        key["key"]["id"].as_str().unwrap(),
        key["secret"].as_str().unwrap(),
    );
    let by_key = begin(&server, secret).await;
    gate.open(3);
    let in_person = begin(&server, &ada.token).await;
    let path = format!("/api/account/keys/{id}");
    Answer::of(server.by(&ada.token, Method::DELETE, &path)).await;
    ends(by_key).await;
    gate.open_for_good();
    assert!(rest(in_person).await.contains("[DONE]"));
}

/// What another process does to the same store (the command line, a second server) is seen within
/// moments.
async fn a_revocation_by_another_process_is_seen(home: Home) {
    let (server, _gate) = slow_town(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    server.add("root@example.org", Role::Admin).await;
    let stream = begin(&server, &ada.token).await;
    let people = server.people.as_ref().unwrap();
    let account = rustygpt_orchestrator::access::AccountId(ada.id.parse().unwrap());
    let act = rustygpt_db::store::Act::new(
        rustygpt_db::store::Principal::Server,
        rustygpt_orchestrator::accounts::Timestamp(0),
        "account.disable",
        "test",
    );
    let state = rustygpt_orchestrator::accounts::AccountState::Disabled;
    people
        .store
        .change_state(account, state, &act)
        .await
        .unwrap();
    server.tasks.spawn(Arc::clone(&people.accounts).watch());
    ends(stream).await;
    let ask = server.by(&ada.token, Method::GET, "/api/account");
    assert_eq!(problem(&Answer::of(ask).await).0, 401);
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    assert_eq!(server.post("/api/auth/sign-in", body).await.status, 401);
}
