//! Ways in: the first owner, passwords, invitations, links.

use super::{PASSWORD, Person, credentials, problem, refused, town_at, town_called};
use crate::home::{Home, on_both_homes};
use crate::server::{Answer, Server, Setup};
use reqwest::Method;
use rustygpt_model::scripted::Script;
use rustygpt_orchestrator::access::{Caller, Role};
use rustygpt_orchestrator::accounts::Whence;
use serde_json::json;
use std::time::Duration;

on_both_homes!(
    the_first_owner_comes_by_the_code_of_the_terminal,
    whatever_is_wrong_is_answered_alike,
    signing_up_follows_the_policy,
    the_link_of_the_command_line_opens_once_and_for_a_minute,
);

async fn the_first_owner_comes_by_the_code_of_the_terminal(home: Home) {
    let server = town_at(home).await;
    let accounts = &server.people.as_ref().unwrap().accounts;
    let local = Caller::local_owner();
    let stale = accounts
        .offer_ownership(&local)
        .await
        .unwrap()
        .unwrap()
        .reveal();
    let code = accounts
        .offer_ownership(&local)
        .await
        .unwrap()
        .unwrap()
        .reveal();
    let body = |code: &str, password: &str| json!({"code": code, "email": "Ada@Example.org", "password": password});
    for (code, password) in [(&*stale, PASSWORD), ("", PASSWORD), (&*code, "short")] {
        let answer = server.post("/api/auth/owner", body(code, password)).await;
        assert_eq!(
            problem(&answer),
            refused(400, "invalid_value"),
            "{}",
            answer.text
        );
    }
    let answer = server
        .post("/api/auth/owner", body(&code.to_lowercase(), PASSWORD))
        .await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let ada = Person::of(&answer);
    let own = Answer::of(server.by(&ada.token, Method::GET, "/api/account"))
        .await
        .json();
    assert_eq!(
        (&own["email"], &own["role"], &own["name"]),
        (&json!("ada@example.org"), &json!("admin"), &json!("ada"))
    );
    assert!(accounts.offer_ownership(&local).await.unwrap().is_none());
    let again = server.post("/api/auth/owner", body(&code, PASSWORD)).await;
    assert!(again.status >= 400, "{}", again.text);
    assert_eq!(server.sign_in("ADA@example.org ").await.id, ada.id);
}

async fn whatever_is_wrong_is_answered_alike(home: Home) {
    let server = town_at(home).await;
    server.add("ada@example.org", Role::User).await;
    server.add("gone@example.org", Role::User).await;
    let accounts = &server.people.as_ref().unwrap().accounts;
    let local = Caller::local_owner();
    let gone = accounts
        .find_by_email(&local, "gone@example.org")
        .await
        .unwrap()
        .id;
    let state = rustygpt_orchestrator::accounts::AccountState::Disabled;
    accounts
        .change_state(&local, gone, state, &Whence::default())
        .await
        .unwrap();
    let mut texts = Vec::new();
    for (email, password) in [
        ("ada@example.org", "wrong password"),
        ("nobody@example.org", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("ada@example.org", ""),
    ] {
        let body = json!({"email": email, "password": password});
        let answer = server.post("/api/auth/sign-in", body).await;
        assert_eq!(problem(&answer), refused(401, "sign_in_refused"));
        texts.push(answer.text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

async fn signing_up_follows_the_policy(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::Admin).await;
    let sign_up = |email: &str, invitation: Option<&str>| {
        let mut body = credentials(email);
        if let Some(invitation) = invitation {
            body["invitation"] = json!(invitation);
        }
        server.post("/api/auth/sign-up", body)
    };
    let closed = sign_up("bob@example.org", None).await;
    assert_eq!(problem(&closed), refused(403, "sign_up_closed"));
    let set = async |value: &str| {
        let path = "/api/admin/settings/sign_up";
        let request = server.by(&ada.token, Method::PUT, path);
        let answer = Answer::of(request.json(&json!({"value": value}))).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    };
    set("invite").await;
    assert_eq!(sign_up("bob@example.org", None).await.status, 403);
    let request = server.by(&ada.token, Method::POST, "/api/admin/invitations");
    let invitation = Answer::of(request).await.json()["code"]
        .as_str()
        .unwrap()
        .to_owned();
    let bob = sign_up("bob@example.org", Some(&invitation)).await;
    assert_eq!(bob.json()["account"]["role"], "user");
    let again = sign_up("eve@example.org", Some(&invitation)).await;
    assert_eq!(
        problem(&again),
        refused(400, "invalid_value"),
        "it was spent"
    );
    set("open").await;
    assert_eq!(sign_up("eve@example.org", None).await.status, 200);
    assert_eq!(
        problem(&sign_up("eve@example.org", None).await),
        refused(409, "conflict")
    );
}

async fn the_link_of_the_command_line_opens_once_and_for_a_minute(home: Home) {
    let server = town_at(home).await;
    server.add("ada@example.org", Role::Admin).await;
    let accounts = &server.people.as_ref().unwrap().accounts;
    let code = async || {
        let code = accounts.offer_page(&Caller::local_owner()).await.unwrap();
        code.unwrap().reveal()
    };
    let enter = |code: &str| server.post("/api/auth/enter", json!({"code": code}));
    let first = code().await;
    assert_eq!(
        enter(&first).await.json()["account"]["email"],
        "ada@example.org"
    );
    assert_eq!(
        problem(&enter(&first).await),
        refused(401, "sign_in_refused")
    );
    let late = code().await;
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(enter(&late).await.status, 401);
}

#[tokio::test]
async fn signing_in_over_plain_http_from_elsewhere_is_refused() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.accounts = true;
    setup.allowed_hosts = vec!["ai.example".to_owned()];
    // Somebody stands in between, and says what they speak with the client.
    setup.trusted_proxies = rustygpt_api::Networks::parse(["127.0.0.1"]).unwrap();
    let server = setup.start().await;
    server.add("ada@example.org", Role::User).await;
    let sign_in = |protocol: Option<&str>| {
        let request = server.anonymous(Method::POST, "/api/auth/sign-in");
        let request = request.json(&credentials("ada@example.org"));
        let request = request.header("x-forwarded-for", "203.0.113.9");
        Answer::of(match protocol {
            Some(protocol) => request.header("x-forwarded-proto", protocol),
            None => request,
        })
    };
    // One that nobody named is known by the host.
    let unnamed = town_called("ai.example").await;
    unnamed.add("ada@example.org", Role::User).await;
    let request = unnamed.anonymous(Method::POST, "/api/auth/sign-in");
    let request = request.json(&credentials("ada@example.org"));
    let answer = Answer::of(request.header("host", "ai.example")).await;
    assert_eq!(problem(&answer), refused(403, "insecure_connection"));
    for protocol in [None, Some("http")] {
        let answer = sign_in(protocol).await;
        assert_eq!(problem(&answer), refused(403, "insecure_connection"));
        assert!(answer.header("set-cookie").is_none());
    }
    assert_eq!(sign_in(Some("https")).await.status, 200);
}

#[tokio::test]
async fn a_server_without_accounts_has_none() {
    let server = Server::saying("x").await;
    let answer = server
        .post("/api/auth/sign-in", credentials("ada@example.org"))
        .await;
    assert_eq!(problem(&answer), refused(404, "not_found"));
    assert_eq!(
        problem(&server.get("/api/account").await),
        refused(404, "not_found")
    );
}
