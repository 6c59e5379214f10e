//! The second factor.

use super::{PASSWORD, credentials, problem, refused, town_at};
use crate::home::{Home, on_both_homes};
use crate::server::Answer;
use reqwest::Method;
use rustygpt_orchestrator::access::Role;
use rustygpt_utils::clock::Clock;
use serde_json::{Value, json};
use std::time::Duration;

on_both_homes!(a_second_factor_is_asked_for_and_each_code_is_good_once,);

async fn a_second_factor_is_asked_for_and_each_code_is_good_once(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let ask = |method, path: &str, body: Value| {
        Answer::of(server.by(&ada.token, method, path).json(&body))
    };
    let offer = ask(Method::POST, "/api/account/second-factor/offer", json!({}))
        .await
        .json();
    let set = |code: &str| {
        let body = json!({"password": PASSWORD, "offer": offer["offer"], "code": code});
        ask(Method::PUT, "/api/account/second-factor", body)
    };
    let now = || {
        code_at(
            offer["secret"].as_str().unwrap(),
            server.clock.unix_seconds(),
        )
    };
    assert_eq!(problem(&set("000000").await), refused(400, "invalid_value"));
    let used = now();
    let codes = set(&used).await.json()["recovery_codes"].clone();
    assert_eq!(codes.as_array().unwrap().len(), 8);
    let sign_in = |code: Option<&str>| {
        let mut body = credentials("ada@example.org");
        if let Some(code) = code {
            body["code"] = json!(code);
        }
        server.post("/api/auth/sign-in", body)
    };
    assert_eq!(
        problem(&sign_in(None).await),
        refused(401, "second_factor_required")
    );
    assert_eq!(
        problem(&sign_in(Some(&used)).await),
        refused(401, "sign_in_refused")
    );
    server.clock.advance(Duration::from_secs(30));
    let fresh = now();
    assert_eq!(sign_in(Some(&fresh)).await.status, 200);
    assert_eq!(sign_in(Some(&fresh)).await.status, 401, "replayed");
    let recovery = codes[0].as_str().unwrap();
    assert_eq!(sign_in(Some(recovery)).await.status, 200);
    assert_eq!(sign_in(Some(recovery)).await.status, 401, "spent");
    let path = "/api/account/second-factor/remove";
    let wrong = ask(Method::POST, path, json!({"password": "wrong"})).await;
    assert_eq!(problem(&wrong), refused(400, "invalid_value"));
    let removed = ask(Method::POST, path, json!({"password": PASSWORD})).await;
    assert_eq!(removed.status, 204);
    assert_eq!(sign_in(None).await.status, 200);
}

/// What an app would show at that time: an implementation of its own (RFC 6238 over the `ring` of rustls).
pub(crate) fn code_at(base32: &str, seconds: u64) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = base32
        .bytes()
        .map(|symbol| alphabet.iter().position(|&known| known == symbol).unwrap())
        .map(|value| format!("{value:05b}"))
        .collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    let secret: Vec<u8> = bytes
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let step = seconds / 30;
    let tag = ring::hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 15);
    let word: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
    )
}
