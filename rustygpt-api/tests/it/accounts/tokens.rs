//! What a person proves a sign-in with: access tokens, cookies, refresh tokens.

use super::{Person, cookie, problem, refused, town_at};
use crate::home::{Home, on_both_homes};
use crate::server::Answer;
use reqwest::Method;
use rustygpt_orchestrator::access::Role;
use std::time::Duration;

on_both_homes!(
    a_cookie_counts_only_together_with_its_proof,
    a_refresh_token_is_good_once_and_its_second_use_ends_the_sign_in,
    a_burst_of_refreshes_has_one_child,
    access_tokens_end_after_ten_minutes,
    signing_out_takes_the_cookies_away,
);

async fn a_cookie_counts_only_together_with_its_proof(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let bob = server.resident("bob@example.org", Role::User).await;
    let ask = |proof: Option<&str>| {
        let request = server.anonymous(Method::GET, "/api/account");
        let request = request.header("cookie", ada.cookies());
        match proof {
            Some(proof) => request.header("x-rustygpt-proof", proof),
            None => request,
        }
    };
    assert_eq!(
        Answer::of(ask(Some(&ada.proof))).await.json()["id"],
        *ada.id
    );
    for proof in [None, Some(""), Some("x"), Some(&*bob.proof)] {
        let answer = Answer::of(ask(proof)).await;
        assert_eq!(
            problem(&answer),
            refused(401, "invalid_api_key"),
            "{proof:?}"
        );
    }
    // A wrong key is not rescued by a right cookie.
    let both = ask(Some(&ada.proof)).bearer_auth("sk-rustygpt-wrong");
    assert_eq!(Answer::of(both).await.status, 401);
}

async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_sign_in(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    assert_eq!(
        problem(&server.refresh(&ada.cookies(), "wrong").await).0,
        401
    );
    let child = Person::of(&server.refresh(&ada.cookies(), &ada.proof).await);
    assert_eq!((&child.sign_in, &child.proof), (&ada.sign_in, &ada.proof));
    assert_ne!(child.refresh, ada.refresh);
    // Two pages at the same moment: no child, no harm.
    let raced = server.refresh(&ada.cookies(), &ada.proof).await;
    assert_eq!(problem(&raced), refused(409, "conflict"));
    let grandchild = Person::of(&server.refresh(&child.cookies(), &ada.proof).await);
    server.clock.advance(Duration::from_secs(60));
    let stolen = server.refresh(&ada.cookies(), &ada.proof).await;
    assert_eq!(problem(&stolen), refused(401, "signed_out"));
    let after = server.refresh(&grandchild.cookies(), &ada.proof).await;
    assert_eq!(
        problem(&after),
        refused(401, "signed_out"),
        "descendants too"
    );
    let token = server.by(&grandchild.token, Method::GET, "/api/account");
    assert_eq!(Answer::of(token).await.status, 401, "and access tokens");
}

async fn a_burst_of_refreshes_has_one_child(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let (cookies, proof) = (ada.cookies(), &ada.proof);
    let burst = (0..100).map(|_| server.refresh(&cookies, proof));
    let answers = futures::future::join_all(burst).await;
    // The rate of attempts per address refuses what is beyond it, before any token is looked at.
    let count = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!(count(200), 1);
    assert_eq!(count(409) + count(429), 99);
}

async fn access_tokens_end_after_ten_minutes(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let ask = || Answer::of(server.by(&ada.token, Method::GET, "/api/account"));
    server.clock.advance(Duration::from_secs(599));
    assert_eq!(ask().await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(ask().await.status, 401);
}

async fn signing_out_takes_the_cookies_away(home: Home) {
    let server = town_at(home).await;
    let ada = server.resident("ada@example.org", Role::ReadOnly).await;
    let out = Answer::of(server.by(&ada.token, Method::POST, "/api/auth/sign-out")).await;
    assert_eq!(out.status, 204);
    assert_eq!(cookie(&out, "__Host-rustygpt-refresh"), "");
    assert!(
        out.headers
            .get_all("set-cookie")
            .iter()
            .all(|line| { line.to_str().unwrap().ends_with("Max-Age=0") })
    );
    assert_eq!(server.refresh(&ada.cookies(), &ada.proof).await.status, 401);
}
