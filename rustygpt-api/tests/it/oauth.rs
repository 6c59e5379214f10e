//! Signing in and up by issuers, linking and unlinking: what works, and who is kept out who is
//! somebody.

use super::accounts::{PASSWORD, Person, code_at, credentials, problem};
use super::home::{Home, on_both_homes};
use super::oauth_issuer::SUBJECT;
use super::oauth_trip::{PUBLIC, Port, cookie, opens};
use super::server::Answer;
use reqwest::{Method, Url};
use rustygpt_db::store::Principal;
use rustygpt_orchestrator::access::{AccountId, Caller, Role};
use rustygpt_orchestrator::accounts::{AccountState, Whence, WireLimits};
use rustygpt_utils::clock::Clock;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

on_both_homes! {
    github_makes_an_account_once_and_lets_its_holder_in,
    a_company_makes_an_account_once_and_lets_its_holder_in,
    apple_makes_an_account_once_and_lets_its_holder_in,
    a_return_counts_once_also_in_a_burst,
    who_comes_twice_at_once_for_the_first_time_has_one_account,
    the_policy_says_who_may_sign_up,
    an_account_is_never_found_by_its_address,
    a_disabled_account_opens_to_nobody,
    a_second_factor_is_asked_for_here_too,
    identities_are_linked_listed_and_unlinked_but_for_the_last_way_in,
    nobody_is_made_to_link,
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn github_makes_an_account_once_and_lets_its_holder_in(home: Home) {
    make_an_account_once(home, "github", "Ada Lovelace").await;
}

async fn a_company_makes_an_account_once_and_lets_its_holder_in(home: Home) {
    make_an_account_once(home, "company", "Ada Lovelace").await;
}

async fn apple_makes_an_account_once_and_lets_its_holder_in(home: Home) {
    make_an_account_once(home, "apple", "Ada King").await;
}

/// The whole way, and every part of it a second time.
async fn make_an_account_once(home: Home, issuer: &str, name: &str) {
    let port = Port::open(home).await;
    let mut trip = port.set_out(issuer).await;
    if issuer == "apple" {
        // Apple tells a name here, once, and nowhere else.
        trip.set(
            "user",
            r#"{"name": {"firstName": "Ada", "lastName": "King"}, "email": "x@evil.example"}"#,
        );
    }
    let returned = port.come_back(&trip).await;
    assert_eq!(returned.status, 303, "{issuer}: {}", returned.text);
    assert_eq!(
        returned.header("location").unwrap(),
        format!("{PUBLIC}/#finish")
    );
    assert_eq!(returned.header("cache-control"), Some("no-store"));
    assert_eq!(cookie(&returned, "__Host-rustygpt-access"), None);
    assert_eq!(
        cookie(&returned, "__Host-rustygpt-browser"),
        None,
        "it is taken away"
    );
    let answer = port.finish(&returned, None).await;
    let ada = Person::of(&answer);
    let account = &answer.json()["account"];
    let shown = (
        &account["email"],
        &account["name"],
        &account["role"],
        &account["has_password"],
    );
    assert_eq!(
        shown,
        (
            &json!("ada@example.org"),
            &json!(name),
            &json!("user"),
            &json!(false)
        )
    );
    // A ticket is good once, a code is, a state is.
    let ticket = cookie(&returned, "__Host-rustygpt-ticket").unwrap();
    let again = port.finish_with(&ticket, None).await;
    assert_eq!(problem(&again), refused(400, "sign_in_lost"), "{issuer}");
    assert!(!opens(&again));
    let again = port.come_back(&trip).await;
    assert_eq!(problem(&again), refused(400, "sign_in_lost"), "{issuer}");
    assert!(!opens(&again));
    // Later, whatever the address is by then, and also when nobody else may sign up.
    port.sign_up("closed").await;
    port.mock.bend(|bends| {
        bends.claims = |all| all["email_verified"] = json!(false);
        bends.addresses = |all| *all = json!([]);
    });
    assert_eq!(
        Person::of(&port.way_in(issuer).await).id,
        ada.id,
        "{issuer}"
    );
    assert_eq!(port.accounts().await, 1);
    let own = Answer::of(port.server.by(&ada.token, Method::GET, "/api/account")).await;
    assert_eq!(own.status, 200);
}

#[tokio::test]
async fn what_is_sent_to_an_issuer_is_bound_to_us() {
    let port = Port::open(Home::Sqlite).await;
    let mut seen = Vec::new();
    for (issuer, page, same_site) in [
        ("github", "/login/oauth/authorize", "SameSite=Lax"),
        ("company", "/authorize", "SameSite=Lax"),
        ("apple", "/authorize", "SameSite=None"),
    ] {
        let path = port.server.url(&format!("/api/auth/with/{issuer}"));
        // A name that the server answers to, and that is not the one people come back to.
        let request = port.client.get(path).header("host", "localhost");
        let answer = Answer::of(request).await;
        let line = answer.header("set-cookie").unwrap();
        assert!(
            line.contains(same_site) && line.contains("Max-Age=600"),
            "{line}"
        );
        let location: Url = answer.header("location").unwrap().parse().unwrap();
        assert_eq!(location.path(), page);
        let pairs: HashMap<_, _> = location.query_pairs().into_owned().collect();
        let back = format!("{PUBLIC}/api/auth/with/{issuer}/return");
        assert_eq!(pairs["redirect_uri"], back, "pinned");
        assert_eq!(pairs["client_id"], format!("{issuer}-client"));
        let has = |name: &str| pairs.contains_key(name);
        assert_eq!(has("code_challenge"), issuer != "apple");
        assert_eq!(has("nonce"), issuer != "github");
        let mode = pairs.get("response_mode").map(String::as_str);
        assert_eq!(mode, (issuer == "apple").then_some("form_post"));
        let secrets = ["state", "nonce", "code_challenge"]
            .iter()
            .filter_map(|name| pairs.get(*name));
        seen.extend(secrets.cloned());
        seen.push(cookie(&answer, "__Host-rustygpt-browser").unwrap());
    }
    assert!(
        seen.iter().all(|secret| secret.len() == 43),
        "256 bits each"
    );
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
    let listed = port.get("/api/auth/issuers").await.json();
    let first = json!({"id": "github", "name": "GitHub", "begin": "/api/auth/with/github"});
    assert_eq!(listed[0], first);
    assert_eq!(listed.as_array().unwrap().len(), 4);
}

/// Of many who bring the same return at once, one arrives.
async fn a_return_counts_once_also_in_a_burst(home: Home) {
    let port = Port::open(home).await;
    let trip = port.set_out("company").await;
    let returns = futures::future::join_all((0..8).map(|_| port.come_back(&trip))).await;
    let arrived: Vec<_> = returns
        .iter()
        .filter(|answer| answer.status == 303)
        .collect();
    assert_eq!(arrived.len(), 1);
    let finish = |_| port.finish(arrived[0], None);
    let finished = futures::future::join_all((0..8).map(finish)).await;
    assert_eq!(
        finished
            .iter()
            .filter(|answer| answer.status == 200)
            .count(),
        1
    );
    assert_eq!(port.accounts().await, 1);
    // A code that somebody overheard is of no use with a state of their own.
    let mut overheard = port.set_out("company").await;
    let code = trip.parameters.iter().find(|(name, _)| *name == "code");
    overheard.set("code", &code.unwrap().1);
    let answer = port.come_back(&overheard).await;
    assert_eq!(problem(&answer), refused(401, "identity_refused"));
    assert_eq!(port.last_reason().await.as_deref(), Some("code"));
    assert!(!opens(&answer));
}

async fn invitation(port: &Port) -> String {
    let accounts = &port.server.people.as_ref().unwrap().accounts;
    let (owner, whence) = (Caller::local_owner(), Whence::default());
    accounts.invite(&owner, &whence).await.unwrap().reveal()
}

/// Seen to fail without the second look for the account.
async fn who_comes_twice_at_once_for_the_first_time_has_one_account(home: Home) {
    let port = Port::open(home).await;
    port.sign_up("invite").await;
    let code = invitation(&port).await;
    let mut trips = Vec::new();
    for _ in 0..6 {
        let path = format!("/api/auth/with/company?invitation={code}");
        let answer = port.get(&path).await;
        let location = answer.header("location").unwrap();
        trips.push(port.consented("company", &answer, location));
    }
    let returns = trips.iter().map(|trip| port.come_back(trip));
    for returned in futures::future::join_all(returns).await {
        assert_eq!(port.finish(&returned, None).await.status, 200);
    }
    assert_eq!(port.accounts().await, 1);
}

async fn the_policy_says_who_may_sign_up(home: Home) {
    let port = Port::new(home, WireLimits::default()).await;
    for policy in ["closed", "invite"] {
        port.sign_up(policy).await;
        let trip = port.set_out("company").await;
        let answer = port.come_back(&trip).await;
        assert_eq!(problem(&answer), refused(403, "sign_up_closed"), "{policy}");
        assert_eq!(port.last_reason().await.as_deref(), Some("sign-up"));
        assert!(!opens(&answer) && port.accounts().await == 0);
    }
    let code = invitation(&port).await;
    let with = async |code: &str| {
        let answer = port
            .get(&format!("/api/auth/with/company?invitation={code}"))
            .await;
        let trip = port.consented("company", &answer, answer.header("location").unwrap());
        port.come_back(&trip).await
    };
    let wrong = with("00000-00000-00000-00000").await;
    assert_eq!(problem(&wrong), refused(400, "invalid_value"));
    assert_eq!(port.last_reason().await.as_deref(), Some("invitation"));
    assert!(!opens(&wrong) && port.accounts().await == 0);
    let invited = with(&code).await;
    assert_eq!(port.finish(&invited, None).await.status, 200);
    port.mock
        .bend(|bends| bends.claims = |all| all["sub"] = json!("another"));
    assert_eq!(
        problem(&with(&code).await),
        refused(400, "invalid_value"),
        "it was spent"
    );
    assert_eq!(port.accounts().await, 1);
}

/// Whoever has an address elsewhere, verified or not, has nothing here by it.
async fn an_account_is_never_found_by_its_address(home: Home) {
    let port = Port::open(home).await;
    let ada = port.server.resident("ada@example.org", Role::User).await;
    for issuer in ["github", "company", "apple"] {
        let trip = port.set_out(issuer).await;
        let answer = port.come_back(&trip).await;
        assert_eq!(problem(&answer), refused(409, "conflict"), "{issuer}");
        assert!(
            answer.json()["detail"].as_str().unwrap().contains("link"),
            "{}",
            answer.text
        );
        assert_eq!(port.last_reason().await.as_deref(), Some("taken"));
        assert!(!opens(&answer) && port.accounts().await == 1);
    }
    let store = &port.server.people.as_ref().unwrap().store;
    let id = AccountId(ada.id.parse().unwrap());
    assert!(
        store
            .identities(Principal::Server, id)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_disabled_account_opens_to_nobody(home: Home) {
    let port = Port::open(home).await;
    let ada = Person::of(&port.way_in("company").await);
    let trip = port.set_out("company").await;
    let waiting = port.come_back(&trip).await;
    let accounts = &port.server.people.as_ref().unwrap().accounts;
    let (id, owner) = (AccountId(ada.id.parse().unwrap()), Caller::local_owner());
    let (state, whence) = (AccountState::Disabled, Whence::default());
    accounts
        .change_state(&owner, id, state, &whence)
        .await
        .unwrap();
    let late = port.finish(&waiting, None).await;
    assert_eq!(problem(&late), refused(401, "sign_in_refused"));
    let trip = port.set_out("company").await;
    let answer = port.come_back(&trip).await;
    assert_eq!(problem(&answer), refused(401, "sign_in_refused"));
    assert_eq!(port.last_reason().await.as_deref(), Some("disabled"));
    assert!(!opens(&answer) && !opens(&late));
}

/// Who is somebody elsewhere has the first factor, and no more.
async fn a_second_factor_is_asked_for_here_too(home: Home) {
    let port = Port::open(home).await;
    let ada = Person::of(&port.way_in("company").await);
    let ask = async |method, path: &str, body: Value| {
        Answer::of(port.server.by(&ada.token, method, path).json(&body)).await
    };
    // A password of her own first: it is what changing the second factor asks for.
    let password = json!({"new_password": PASSWORD});
    assert_eq!(
        ask(Method::POST, "/api/account/password", password)
            .await
            .status,
        204
    );
    let offer = ask(Method::POST, "/api/account/second-factor/offer", json!({}))
        .await
        .json();
    let now = || {
        code_at(
            offer["secret"].as_str().unwrap(),
            port.server.clock.unix_seconds(),
        )
    };
    let body = json!({"password": PASSWORD, "offer": offer["offer"], "code": now()});
    assert_eq!(
        ask(Method::PUT, "/api/account/second-factor", body)
            .await
            .status,
        200
    );
    port.server.clock.advance(Duration::from_secs(30));
    let trip = port.set_out("company").await;
    let returned = port.come_back(&trip).await;
    for (code, expected) in [
        (None, "second_factor_required"),
        (Some("000000"), "sign_in_refused"),
    ] {
        let answer = port.finish(&returned, code).await;
        assert_eq!(problem(&answer), refused(401, expected));
        assert!(!opens(&answer));
    }
    // A wrong guess does not send anybody back to the issuer.
    let code = now();
    assert_eq!(port.finish(&returned, Some(&code)).await.status, 200);
    let trip = port.set_out("company").await;
    let returned = port.come_back(&trip).await;
    let replayed = port.finish(&returned, Some(&code)).await;
    assert_eq!(problem(&replayed), refused(401, "sign_in_refused"));
    for _ in 0..10 {
        port.finish(&returned, Some("000000")).await;
    }
    port.server.clock.advance(Duration::from_secs(60));
    let locked = port.finish(&returned, Some(&now())).await;
    assert_eq!(
        problem(&locked),
        refused(401, "sign_in_refused"),
        "guessed too often"
    );
    port.server.clock.advance(Duration::from_secs(300));
    let late = port.finish(&returned, Some(&now())).await;
    assert_eq!(problem(&late), refused(400, "sign_in_lost"), "too late");
}

#[tokio::test]
async fn a_ticket_that_was_changed_or_made_up_is_none() {
    let port = Port::open(Home::Sqlite).await;
    let trip = port.set_out("company").await;
    let returned = port.come_back(&trip).await;
    let ticket = cookie(&returned, "__Host-rustygpt-ticket").unwrap();
    let mut changed = ticket.clone().into_bytes();
    let last = changed.len() / 2;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for wrong in ["x", "AAAA", &changed, &ticket[1..], &"A".repeat(2000)] {
        let answer = port.finish_with(wrong, None).await;
        assert_eq!(problem(&answer), refused(400, "sign_in_lost"), "{wrong}");
        assert!(!opens(&answer));
    }
    let none = port.server.post("/api/auth/finish", json!({})).await;
    assert_eq!(problem(&none), refused(400, "sign_in_lost"));
    assert_eq!(port.finish(&returned, None).await.status, 200);
}

async fn identities(port: &Port, bearer: &str) -> Value {
    Answer::of(
        port.server
            .by(bearer, Method::GET, "/api/account/identities"),
    )
    .await
    .json()
}

async fn unlink(port: &Port, bearer: &str, id: &Value) -> Answer {
    let path = format!("/api/account/identities/{}", id.as_str().unwrap());
    Answer::of(port.server.by(bearer, Method::DELETE, &path)).await
}

async fn identities_are_linked_listed_and_unlinked_but_for_the_last_way_in(home: Home) {
    let port = Port::open(home).await;
    let bob = port.server.resident("bob@example.org", Role::User).await;
    let trip = port.set_out_to_link(&bob.token, "company").await;
    let linked = port.come_back(&trip).await;
    assert_eq!(
        linked.header("location").unwrap(),
        format!("{PUBLIC}/#linked"),
        "{}",
        linked.text
    );
    assert!(!opens(&linked), "who links is in already");
    let entry = port.last_entry().await;
    assert_eq!(entry.action, "identity.link");
    assert_eq!(entry.by.account().unwrap().to_string(), bob.id);
    let listed = identities(&port, &bob.token).await;
    assert_eq!(listed[0]["subject"], SUBJECT);
    assert_eq!(listed[0]["issuer"], port.mock.url());
    assert_eq!(listed[0]["email"], "ada@example.org");
    // It opens his account, though the address is another.
    assert_eq!(Person::of(&port.way_in("company").await).id, bob.id);
    assert_eq!(port.accounts().await, 1);
    // Linked again, nothing changes.
    let trip = port.set_out_to_link(&bob.token, "company").await;
    assert_eq!(port.come_back(&trip).await.status, 303);
    // Nobody else's.
    let eve = port.server.resident("eve@example.org", Role::User).await;
    let trip = port.set_out_to_link(&eve.token, "company").await;
    let taken = port.come_back(&trip).await;
    assert_eq!(problem(&taken), refused(409, "conflict"));
    assert_eq!(port.last_reason().await.as_deref(), Some("taken"));
    assert_eq!(identities(&port, &eve.token).await, json!([]));
    let id = &listed[0]["id"];
    assert_eq!(
        problem(&unlink(&port, &eve.token, id).await),
        refused(404, "not_found")
    );
    assert_eq!(unlink(&port, &bob.token, id).await.status, 204);
    assert_eq!(port.last_entry().await.action, "identity.unlink");
    assert_eq!(
        problem(&unlink(&port, &bob.token, id).await),
        refused(404, "not_found")
    );
    assert_eq!(identities(&port, &bob.token).await, json!([]));
    // Without a password an identity is all there is.
    let ada = Person::of(&port.way_in("company").await);
    assert_ne!(ada.id, bob.id);
    let own = identities(&port, &ada.token).await;
    let last = unlink(&port, &ada.token, &own[0]["id"]).await;
    assert_eq!(problem(&last), refused(409, "conflict"));
    assert_eq!(port.last_reason().await.as_deref(), Some("last way in"));
    let trip = port.set_out_to_link(&ada.token, "github").await;
    assert_eq!(port.come_back(&trip).await.status, 303);
    assert_eq!(unlink(&port, &ada.token, &own[0]["id"]).await.status, 204);
    assert_eq!(Person::of(&port.way_in("github").await).id, ada.id);
}

/// An identity is linked to the account whose holder set out for it, in the browser they did it
/// with, and only while they are in.
async fn nobody_is_made_to_link(home: Home) {
    let port = Port::open(home).await;
    let bob = port.server.resident("bob@example.org", Role::User).await;
    let mut trip = port.set_out_to_link(&bob.token, "company").await;
    trip.cookies.clear();
    let answer = port.come_back(&trip).await;
    assert_eq!(
        problem(&answer),
        refused(400, "sign_in_lost"),
        "in another browser"
    );
    let trip = port.set_out_to_link(&bob.token, "company").await;
    let out = port
        .server
        .by(&bob.token, Method::POST, "/api/auth/sign-out");
    assert_eq!(Answer::of(out).await.status, 204);
    let answer = port.come_back(&trip).await;
    assert_eq!(problem(&answer), refused(401, "signed_out"));
    assert_eq!(port.last_reason().await.as_deref(), Some("signed out"));
    let bob = port.server.sign_in("bob@example.org").await;
    assert_eq!(identities(&port, &bob.token).await, json!([]));
    let request = port
        .server
        .by(&bob.token, Method::POST, "/api/account/identities");
    let nobody = Answer::of(request.json(&json!({"issuer": "nobody"}))).await;
    assert_eq!(problem(&nobody), refused(404, "not_found"));
    // A page of another site cannot begin it, nor send anybody off to sign in.
    for request in [
        port.server
            .by(&bob.token, Method::POST, "/api/account/identities"),
        port.client.get(port.server.url("/api/auth/with/company")),
    ] {
        let answer = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
        assert_eq!(problem(&answer), refused(403, "origin_not_allowed"));
    }
    assert_eq!(
        port.server
            .post("/api/auth/sign-in", credentials("bob@example.org"))
            .await
            .status,
        200
    );
}

/// Keys are asked for when they are unknown or old, and not more often than once a minute.
#[tokio::test]
async fn an_issuer_may_change_its_keys() {
    let port = Port::open(Home::Sqlite).await;
    let later = |seconds: u64| {
        port.server.clock.advance(Duration::from_secs(seconds));
        port.mock.advance(seconds);
    };
    for _ in 0..2 {
        assert_eq!(port.way_in("company").await.status, 200);
    }
    assert_eq!(port.mock.asked("/keys"), 1);
    assert_eq!(port.mock.asked("/.well-known/openid-configuration"), 1);
    port.mock.bend(|bends| {
        bends.keys = |all| all["keys"][1]["kid"] = json!("new");
        bends.header = |header| header["kid"] = json!("new");
    });
    for _ in 0..3 {
        let trip = port.set_out("company").await;
        let answer = port.come_back(&trip).await;
        assert_eq!(problem(&answer), refused(401, "identity_refused"));
    }
    assert_eq!(port.mock.asked("/keys"), 1, "not for everybody who asks");
    later(60);
    assert_eq!(port.way_in("company").await.status, 200);
    assert_eq!(port.mock.asked("/keys"), 2);
    // What was taken back is forgotten.
    port.mock
        .bend(|bends| bends.keys = |all| all["keys"] = json!([]));
    later(3600);
    let trip = port.set_out("company").await;
    let answer = port.come_back(&trip).await;
    assert_eq!(problem(&answer), refused(401, "identity_refused"));
    assert_eq!(port.mock.asked("/keys"), 3);
    assert_eq!(port.mock.asked("/.well-known/openid-configuration"), 2);
}

/// Some tell the address beside the token alone, and some write times and lists as they may.
#[tokio::test]
async fn issuers_may_differ_in_what_is_theirs_to_choose() {
    let differences: [fn(&mut Value); 5] = [
        |all| {
            all.as_object_mut().unwrap().shift_remove("email");
        },
        |all| {
            all["aud"] = json!(["company-client", "other"]);
            all["azp"] = json!("company-client");
        },
        |all| all["aud"] = json!(["company-client"]),
        |all| {
            all["exp"] = json!(all["exp"].as_f64().unwrap() + 0.5);
            all.as_object_mut().unwrap().shift_remove("at_hash");
        },
        |all| all["iat"] = json!(all["iat"].as_u64().unwrap() + 59),
    ];
    for (number, difference) in differences.into_iter().enumerate() {
        let port = Port::open(Home::Sqlite).await;
        port.mock.bend(|bends| bends.claims = difference);
        assert_eq!(port.way_in("company").await.status, 200, "{number}");
    }
}
