//! What an account takes along, and who cannot leave.

use super::{PASSWORD, problem, refused, town_at};
use crate::home::{Home, on_both_homes};
use crate::server::Answer;
use reqwest::Method;
use rustygpt_orchestrator::access::Role;
use serde_json::json;

on_both_homes!(
    everything_of_an_account_can_be_taken_along_and_deleted,
    the_last_administrator_stays,
);

async fn everything_of_an_account_can_be_taken_along_and_deleted(home: Home) {
    let server = town_at(home).await;
    server.add("root@example.org", Role::Admin).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let request = server.by(&ada.token, Method::POST, "/api/account/keys");
    let key = Answer::of(request.json(&json!({"scopes": ["read"]})))
        .await
        .json();
    let key = key["secret"].as_str().unwrap().to_owned();
    let export = Answer::of(server.by(&ada.token, Method::GET, "/api/account/export")).await;
    let text = &export.text;
    for secret in [
        PASSWORD,
        "argon2",
        &key,
        &ada.token,
        &ada.refresh,
        &ada.proof,
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    let export = export.json();
    assert_eq!(export["account"]["email"], "ada@example.org");
    assert_eq!(export["keys"].as_array().unwrap().len(), 1);
    let did = export["audit"].as_array().unwrap().iter();
    let did: Vec<&str> = did.map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(
        did.contains(&"session.sign_in") && did.contains(&"key.create"),
        "{did:?}"
    );
    let delete = |password: &str| {
        let request = server.by(&ada.token, Method::POST, "/api/account/delete");
        Answer::of(request.json(&json!({"password": password})))
    };
    assert_eq!(problem(&delete("wrong").await).0, 400);
    assert_eq!(delete(PASSWORD).await.status, 204);
    for bearer in [&ada.token, &key] {
        let ask = server.by(bearer, Method::GET, "/api/account");
        assert_eq!(Answer::of(ask).await.status, 401);
    }
}

async fn the_last_administrator_stays(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::Admin).await;
    let path = format!("/api/admin/accounts/{}", ada.id);
    for change in [json!({"role": "user"}), json!({"state": "disabled"})] {
        let request = server.by(&ada.token, Method::PUT, &path).json(&change);
        assert_eq!(
            problem(&Answer::of(request).await),
            refused(409, "conflict")
        );
    }
    let deleted = Answer::of(server.by(&ada.token, Method::DELETE, &path)).await;
    assert_eq!(problem(&deleted), refused(409, "conflict"));
}
