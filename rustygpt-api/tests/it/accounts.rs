//! Ways in and out, one's own account, its keys.

use super::server::{Answer, Server, Setup, chat_body};
use reqwest::{Method, RequestBuilder};
use rustygpt_model::scripted::Script;
use rustygpt_orchestrator::access::{Caller, Role};
use rustygpt_orchestrator::accounts::{NewMember, Whence};
use serde_json::{Value, json};
use std::time::Duration;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server that keeps accounts.
pub(crate) async fn town() -> Server {
    let mut setup = Setup::new(Script::answering("hello"));
    setup.accounts = true;
    setup.start().await
}

/// One that answers to a name, too.
async fn town_called(name: &str) -> Server {
    let mut setup = Setup::new(Script::answering("hello"));
    setup.accounts = true;
    setup.allowed_hosts = vec![name.to_owned()];
    setup.start().await
}

/// Somebody who signed in: what they prove themselves with.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) refresh: String,
    pub(crate) proof: String,
    pub(crate) sign_in: String,
}

impl Person {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(
            cookie(answer, "__Host-rustygpt-access"),
            text(&body["access_token"])
        );
        Self {
            id: text(&body["account"]["id"]),
            token: text(&body["access_token"]),
            refresh: cookie(answer, "__Host-rustygpt-refresh"),
            proof: text(&body["proof"]),
            sign_in: text(&body["sign_in"]),
        }
    }

    /// The cookie header of a browser they signed in with.
    pub(crate) fn cookies(&self) -> String {
        let Self { token, refresh, .. } = self;
        format!("__Host-rustygpt-access={token}; __Host-rustygpt-refresh={refresh}")
    }
}

/// A cookie that an answer sets; its guards are checked.
fn cookie(answer: &Answer, name: &str) -> String {
    let prefix = format!("{name}=");
    let mut lines = answer.headers.get_all("set-cookie").iter();
    let line = lines.find_map(|line| {
        let line = line.to_str().unwrap();
        line.starts_with(&prefix).then_some(line)
    });
    let line = line.unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers));
    let (value, guards) = line[prefix.len()..].split_once("; ").unwrap();
    for guard in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(guards.split("; ").any(|part| part == guard), "{line}");
    }
    assert!(!guards.contains("Domain"), "{line}");
    value.to_owned()
}

impl Server {
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.anonymous(Method::POST, path).json(&body)).await
    }

    /// A request with an access token or a key.
    pub(crate) fn by(&self, bearer: &str, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(bearer)
    }

    /// Makes an account, as who sits at the machine does.
    pub(crate) async fn add(&self, email: &str, role: Role) {
        let member = NewMember {
            email: email.to_owned(),
            name: String::new(),
            role,
            password: Some(PASSWORD.to_owned()),
        };
        let accounts = &self.people.as_ref().unwrap().accounts;
        let owner = Caller::local_owner();
        accounts
            .add(&owner, member, &Whence::default())
            .await
            .unwrap();
    }

    pub(crate) async fn sign_in(&self, email: &str) -> Person {
        Person::of(&self.post("/api/auth/sign-in", credentials(email)).await)
    }

    pub(crate) async fn resident(&self, email: &str, role: Role) -> Person {
        self.add(email, role).await;
        self.sign_in(email).await
    }

    async fn refresh(&self, cookies: &str, proof: &str) -> Answer {
        let request = self.anonymous(Method::POST, "/api/auth/refresh");
        let request = request.header("cookie", cookies);
        Answer::of(request.header("x-rustygpt-proof", proof)).await
    }
}

pub(crate) fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// Checks a problem document; its status and code.
#[track_caller]
pub(crate) fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{}",
        answer.text
    );
    let body = answer.json();
    assert_eq!(body["status"], answer.status);
    assert_eq!(body["type"], "about:blank");
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    (answer.status, body["code"].as_str().unwrap().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn the_first_owner_comes_by_the_code_of_the_terminal() {
    let server = town().await;
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

#[tokio::test]
async fn whatever_is_wrong_is_answered_alike() {
    let server = town().await;
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

#[tokio::test]
async fn a_cookie_counts_only_together_with_its_proof() {
    let server = town().await;
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

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_sign_in() {
    let server = town().await;
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

#[tokio::test]
async fn a_burst_of_refreshes_has_one_child() {
    let server = town().await;
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

#[tokio::test]
async fn access_tokens_end_after_ten_minutes() {
    let server = town().await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let ask = || Answer::of(server.by(&ada.token, Method::GET, "/api/account"));
    server.clock.advance(Duration::from_secs(599));
    assert_eq!(ask().await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(ask().await.status, 401);
}

#[tokio::test]
async fn signing_up_follows_the_policy() {
    let server = town().await;
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

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    let server = town().await;
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
    let now = || code_at(offer["secret"].as_str().unwrap(), &server);
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

/// What an app would show now: an implementation of its own (RFC 6238 over the `ring` of rustls).
fn code_at(base32: &str, server: &Server) -> String {
    use rustygpt_utils::clock::Clock;
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
    let step = server.clock.unix_seconds() / 30;
    let tag = ring::hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 15);
    let word: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
    )
}

#[tokio::test]
async fn a_key_is_shown_once_opens_inference_and_is_bounded() {
    let server = town().await;
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

#[tokio::test]
async fn a_quota_of_tokens_ends() {
    let server = town().await;
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

#[tokio::test]
async fn a_new_password_ends_the_other_sign_ins() {
    let server = town().await;
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

#[tokio::test]
async fn a_forgotten_password_is_set_by_a_code_from_an_administrator() {
    let server = town().await;
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

#[tokio::test]
async fn everything_of_an_account_can_be_taken_along_and_deleted() {
    let server = town().await;
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

#[tokio::test]
async fn the_last_administrator_stays() {
    let server = town().await;
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

#[tokio::test]
async fn guessing_passwords_is_slowed_down_by_address_and_by_account() {
    let server = town().await;
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

#[tokio::test]
async fn the_link_of_the_command_line_opens_once_and_for_a_minute() {
    let server = town().await;
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
async fn signing_out_takes_the_cookies_away() {
    let server = town().await;
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
