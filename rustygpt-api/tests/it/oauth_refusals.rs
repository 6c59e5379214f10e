//! Everything that must not let anybody in by an issuer: what comes back is wrong, or the issuer
//! is. Each case is told apart by the reason in the audit log, so that none is refused by chance.
//!
//! Each of these was taken out by itself, and one of the tests here or in `oauth.rs` seen to fail:
//! the browser's secret, the issuer of the path, link or form, the single use of the state, `iss`,
//! `aud`, `azp`, `exp`, `iat`, the nonce, `crit`, `at_hash`, a key's own algorithm, the bound on an
//! answer's size, the stop at redirects, https, the issuer's name in its description, the wait before
//! keys are asked for again, whom the userinfo is of, the verified address, the linking sign-in that
//! must still be there, the disabled account, the ticket's single use, the second factor, the page of
//! its own, the origin of the form.

use super::accounts::problem;
use super::home::Home;
use super::oauth_issuer::{Bends, Mock, NOW, Reply, Signer};
use super::oauth_trip::{Port, Trip, opens};
use rustygpt_orchestrator::accounts::{IssuerKind, IssuerSettings, Issuers, Secret, WireLimits};
use serde_json::{Value, json};
use std::time::Duration;

/// Status, code, and the reason in the audit log; `None` where nothing was noted.
type Expected = (u16, &'static str, Option<&'static str>);

/// What an issuer tells otherwise.
type Change = fn(&mut Value);
type Bend = fn(&mut Bends);

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    issuer: &'static str,
    bend: Bend,
    claims: Option<Change>,
    detour: fn(&mut Trip, &Mock),
    expected: Expected,
}

const LOST: (u16, &str) = (400, "sign_in_lost");
const REFUSED: (u16, &str) = (401, "identity_refused");
const DOWN: (u16, &str) = (502, "issuer_unavailable");
const FOREIGN: (u16, &str) = (403, "origin_not_allowed");

const fn because(refusal: (u16, &'static str), reason: &'static str) -> Expected {
    (refusal.0, refusal.1, Some(reason))
}

const fn at_once(refusal: (u16, &'static str)) -> Expected {
    (refusal.0, refusal.1, None)
}

/// The browser brings back something else.
fn detour(name: &'static str, detour: fn(&mut Trip, &Mock), expected: Expected) -> Case {
    Case {
        name,
        issuer: "company",
        bend: |_| (),
        claims: None,
        detour,
        expected,
    }
}

/// The issuer does something else.
fn bent(name: &'static str, bend: Bend, expected: Expected) -> Case {
    Case {
        bend,
        ..detour(name, |_, _| (), expected)
    }
}

/// The identity token says something else.
fn claims(name: &'static str, change: Change, reason: &'static str) -> Case {
    Case {
        claims: Some(change),
        ..bent(name, |_| (), because(REFUSED, reason))
    }
}

fn by(issuer: &'static str, case: Case) -> Case {
    Case { issuer, ..case }
}

fn remove(value: &mut Value, name: &str) {
    value.as_object_mut().unwrap().shift_remove(name);
}

fn detours() -> Vec<Case> {
    vec![
        detour(
            "wrong state",
            |trip, _| trip.set("state", &"A".repeat(43)),
            because(LOST, ""),
        ),
        detour(
            "no state",
            |trip, _| trip.drop("state"),
            because(LOST, "no state"),
        ),
        detour(
            "an empty state",
            |trip, _| trip.set("state", ""),
            because(LOST, "no state"),
        ),
        detour(
            "an endless state",
            |trip, _| trip.set("state", &"A".repeat(129)),
            because(LOST, "no state"),
        ),
        detour(
            "no cookie",
            |trip, _| trip.cookies.clear(),
            because(LOST, "another browser"),
        ),
        detour(
            "the cookie of another browser",
            |trip, _| {
                trip.cookies = format!("__Host-rustygpt-browser={}", "A".repeat(43));
            },
            because(LOST, "another browser"),
        ),
        detour(
            "a cookie that somebody doubled",
            |trip, _| {
                trip.cookies = format!("{0}; {0}", trip.cookies);
            },
            because(LOST, "another browser"),
        ),
        detour(
            "the state of another issuer",
            |trip, _| trip.issuer = "other".to_owned(),
            because(LOST, "another issuer"),
        ),
        detour(
            "the state of another kind of issuer",
            |trip, _| trip.issuer = "github".to_owned(),
            because(LOST, "another issuer"),
        ),
        detour(
            "a form where a link leads back",
            |trip, _| {
                trip.posted = true;
                trip.headers.clear();
            },
            because(LOST, "another way"),
        ),
        by(
            "apple",
            detour(
                "a link where a form leads back",
                |trip, _| {
                    trip.posted = false;
                    trip.headers.retain(|(name, _)| *name != "origin");
                },
                because(LOST, "another way"),
            ),
        ),
        detour(
            "an expired state",
            |trip, _| trip.wait = Duration::from_secs(600),
            because(LOST, ""),
        ),
        detour(
            "the person says no",
            |trip, _| {
                trip.drop("code");
                trip.set("error", "access_denied");
            },
            because((403, "issuer_refused"), "error"),
        ),
        detour(
            "an error beside a code",
            |trip, _| trip.set("error", "x"),
            because((403, "issuer_refused"), "error"),
        ),
        detour(
            "no code",
            |trip, _| trip.drop("code"),
            because(REFUSED, "no code"),
        ),
        detour(
            "an endless code",
            |trip, _| trip.set("code", &"A".repeat(4097)),
            because(REFUSED, "no code"),
        ),
        detour(
            "a wrong code",
            |trip, _| trip.set("code", "code-99"),
            because(REFUSED, "code"),
        ),
        detour(
            "a code that another asked for",
            |trip, mock| {
                let address = "http://x/?response_type=code&client_id=company-client&nonce=n\
                &code_challenge=AAAA&code_challenge_method=S256\
                &redirect_uri=https://chat.example/api/auth/with/company/return";
                trip.set("code", &mock.consent(&address.parse().unwrap()));
            },
            because(REFUSED, "code"),
        ),
        detour(
            "a code for another address",
            |trip, mock| {
                let address = "http://x/?response_type=code&client_id=company-client&nonce=n\
                &redirect_uri=https://evil.example/";
                trip.set("code", &mock.consent(&address.parse().unwrap()));
            },
            because(REFUSED, "code"),
        ),
        by(
            "github",
            detour(
                "a wrong code of GitHub",
                |trip, _| trip.set("code", "code-99"),
                because(REFUSED, "no tokens"),
            ),
        ),
        detour(
            "an answer in another issuer's name",
            |trip, _| trip.set("iss", "https://evil.example"),
            because(REFUSED, "another issuer"),
        ),
        detour(
            "two states",
            |trip, _| trip.parameters.push(("state", "x".to_owned())),
            at_once((400, "invalid_value")),
        ),
        detour(
            "two codes",
            |trip, _| trip.parameters.push(("code", "x".to_owned())),
            at_once((400, "invalid_value")),
        ),
        detour(
            "an issuer there is not",
            |trip, _| trip.issuer = "nobody".to_owned(),
            at_once((404, "not_found")),
        ),
        by(
            "apple",
            detour(
                "a form of another site",
                |trip, _| trip.header("origin", "https://evil.example"),
                at_once(FOREIGN),
            ),
        ),
        by(
            "apple",
            detour(
                "a form of nobody's site",
                |trip, _| trip.header("origin", "null"),
                at_once(FOREIGN),
            ),
        ),
        detour(
            "a form of a site that leads back by links",
            |trip, mock| {
                trip.posted = true;
                trip.header("origin", mock.url());
            },
            at_once(FOREIGN),
        ),
        by(
            "apple",
            detour(
                "a form in a frame",
                |trip, _| trip.header("sec-fetch-dest", "iframe"),
                at_once(FOREIGN),
            ),
        ),
        detour(
            "a return in a frame",
            |trip, _| trip.header("sec-fetch-dest", "iframe"),
            at_once(FOREIGN),
        ),
        detour(
            "a return by a script",
            |trip, _| trip.header("sec-fetch-mode", "cors"),
            at_once(FOREIGN),
        ),
        detour(
            "a picture of a return",
            |trip, _| {
                trip.header("sec-fetch-mode", "no-cors");
                trip.header("sec-fetch-dest", "image");
            },
            at_once(FOREIGN),
        ),
    ]
}

fn wrong_claims() -> Vec<Case> {
    vec![
        claims(
            "another issuer",
            |it| it["iss"] = json!("https://evil.example"),
            "issuer",
        ),
        claims(
            "a list of issuers",
            |it| it["iss"] = json!([it["iss"]]),
            "form",
        ),
        claims("no issuer", |it| remove(it, "iss"), "form"),
        claims(
            "another audience",
            |it| it["aud"] = json!("other-client"),
            "audience",
        ),
        claims(
            "a list of other audiences",
            |it| it["aud"] = json!(["a", "b"]),
            "audience",
        ),
        claims("no audience", |it| remove(it, "aud"), "form"),
        claims(
            "several audiences and no party",
            |it| it["aud"] = json!(["company-client", "b"]),
            "authorised party",
        ),
        claims(
            "another party",
            |it| it["azp"] = json!("other-client"),
            "authorised party",
        ),
        claims(
            "several audiences and another party",
            |it| {
                it["aud"] = json!(["company-client", "b"]);
                it["azp"] = json!("b");
            },
            "authorised party",
        ),
        claims(
            "another nonce",
            |it| it["nonce"] = json!("A".repeat(43)),
            "nonce",
        ),
        claims("no nonce", |it| remove(it, "nonce"), "nonce"),
        claims("an empty nonce", |it| it["nonce"] = json!(""), "nonce"),
        claims("expired", |it| it["exp"] = json!(NOW - 60), "expired"),
        claims("no end", |it| remove(it, "exp"), "form"),
        claims(
            "an end that is no time",
            |it| it["exp"] = json!("never"),
            "form",
        ),
        claims(
            "made in the future",
            |it| it["iat"] = json!(NOW + 61),
            "not yet",
        ),
        claims("no making", |it| remove(it, "iat"), "form"),
        claims(
            "good from tomorrow",
            |it| it["nbf"] = json!(NOW + 86_400),
            "not yet",
        ),
        claims(
            "of another access token",
            |it| it["at_hash"] = json!("A".repeat(22)),
            "access token",
        ),
        claims(
            "an empty at_hash",
            |it| it["at_hash"] = json!(""),
            "access token",
        ),
        claims("nobody", |it| it["sub"] = json!(""), "subject"),
        claims(
            "an endless subject",
            |it| it["sub"] = json!("a".repeat(256)),
            "subject",
        ),
        claims(
            "a subject that is a number",
            |it| it["sub"] = json!(1),
            "form",
        ),
        claims("no subject", |it| remove(it, "sub"), "form"),
    ]
}

fn bends() -> Vec<Case> {
    let refused = |reason| because(REFUSED, reason);
    let down = |reason| because(DOWN, reason);
    vec![
        bent(
            "no signature",
            |it| it.signer = Signer::Nobody,
            refused("form"),
        ),
        bent(
            "signed with the public key",
            |it| it.signer = Signer::PublicKey,
            refused("algorithm"),
        ),
        bent(
            "another algorithm of the same key",
            |it| it.header = |head| head["alg"] = json!("ES384"),
            refused("algorithm"),
        ),
        bent(
            "the algorithm of another key",
            |it| it.header = |head| head["kid"] = json!("rsa"),
            refused("key"),
        ),
        bent(
            "an unknown key",
            |it| it.header = |head| head["kid"] = json!("new"),
            refused("key"),
        ),
        bent(
            "a key that comes along",
            |it| {
                it.signer = Signer::Another;
                it.header = |head| {
                    head["kid"] = json!("new");
                    head["jwk"] = json!({"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"});
                };
            },
            refused("key"),
        ),
        bent(
            "the key of another issuer",
            |it| it.signer = Signer::Another,
            refused("signature"),
        ),
        bent(
            "the signature of another token",
            |it| it.signer = Signer::Elsewhere,
            refused("signature"),
        ),
        bent(
            "something critical",
            |it| it.header = |head| head["crit"] = json!(["exp"]),
            refused("critical"),
        ),
        bent(
            "a key to encrypt with",
            |it| it.keys = |all| all["keys"][1]["use"] = json!("enc"),
            refused("key"),
        ),
        bent(
            "two keys of one name",
            |it| {
                it.keys = |all| {
                    let key = all["keys"][1].clone();
                    all["keys"].as_array_mut().unwrap().push(key);
                }
            },
            refused("key"),
        ),
        bent(
            "no identity token",
            |it| it.tokens = |all| remove(all, "id_token"),
            refused("no identity token"),
        ),
        bent(
            "an identity token that is none",
            |it| it.tokens = |all| all["id_token"] = json!("a.b"),
            refused("form"),
        ),
        bent(
            "an endless identity token",
            |it| {
                it.tokens = |all| {
                    all["id_token"] = json!("a".repeat(17 << 10));
                }
            },
            refused("size"),
        ),
        bent(
            "tokens of another kind",
            |it| it.tokens = |all| all["token_type"] = json!("mac"),
            refused("token type"),
        ),
        bent(
            "no access token",
            |it| it.tokens = |all| remove(all, "access_token"),
            refused("no tokens"),
        ),
        bent(
            "a page for tokens",
            |it| it.replies.push(("/token", Reply::Page)),
            refused("no tokens"),
        ),
        bent(
            "tokens elsewhere",
            |it| it.replies.push(("/token", Reply::Redirect)),
            down("redirect"),
        ),
        bent(
            "tokens without end",
            |it| it.replies.push(("/token", Reply::Huge)),
            down("size"),
        ),
        bent(
            "tokens never",
            |it| it.replies.push(("/token", Reply::Never)),
            down("slow"),
        ),
        bent(
            "a failure for tokens",
            |it| it.replies.push(("/token", Reply::Fails)),
            down("status"),
        ),
        bent(
            "keys elsewhere",
            |it| it.replies.push(("/keys", Reply::Redirect)),
            down("redirect"),
        ),
        bent(
            "keys without end",
            |it| it.replies.push(("/keys", Reply::Huge)),
            down("size"),
        ),
        bent(
            "keys never",
            |it| it.replies.push(("/keys", Reply::Never)),
            down("slow"),
        ),
        bent(
            "no keys for us",
            |it| it.replies.push(("/keys", Reply::Refuses)),
            down("status"),
        ),
        bent(
            "a page for keys",
            |it| it.replies.push(("/keys", Reply::Page)),
            down("form"),
        ),
        bent(
            "no keys at all",
            |it| it.keys = |all| all["keys"] = json!([]),
            refused("key"),
        ),
        bent(
            "an answer that does not name its issuer",
            |it| {
                it.document = |all| {
                    all["authorization_response_iss_parameter_supported"] = json!(true);
                }
            },
            refused("another issuer"),
        ),
        bent(
            "somebody else's address",
            |it| {
                it.claims = |all| remove(all, "email");
                it.person = |all| all["sub"] = json!("another");
            },
            refused("subject"),
        ),
        bent(
            "an address that is not theirs",
            |it| it.claims = |all| all["email_verified"] = json!(false),
            UNVERIFIED,
        ),
        bent(
            "an address of which nobody says whose",
            |it| it.claims = |all| remove(all, "email_verified"),
            UNVERIFIED,
        ),
        bent(
            "an address that is none",
            |it| it.claims = |all| all["email"] = json!("ada@exämple.org"),
            UNVERIFIED,
        ),
        bent(
            "an address that is not theirs, told beside the token",
            |it| {
                it.claims = |all| remove(all, "email");
                it.person = |all| all["email_verified"] = json!(false);
            },
            UNVERIFIED,
        ),
        by(
            "apple",
            bent(
                "Apple says it is not theirs",
                |it| it.claims = |all| all["email_verified"] = json!("false"),
                UNVERIFIED,
            ),
        ),
        by(
            "apple",
            bent(
                "Apple's token under the other key's name",
                |it| it.header = |head| head["kid"] = json!("curve"),
                refused("key"),
            ),
        ),
        by(
            "apple",
            bent(
                "Apple's token for another",
                |it| it.claims = |all| all["aud"] = json!("company-client"),
                refused("audience"),
            ),
        ),
        by(
            "github",
            bent(
                "GitHub knows nobody",
                |it| it.replies.push(("/user", Reply::Refuses)),
                down("status"),
            ),
        ),
        by(
            "github",
            bent(
                "GitHub's addresses elsewhere",
                |it| it.replies.push(("/user/emails", Reply::Redirect)),
                down("redirect"),
            ),
        ),
        by(
            "github",
            bent(
                "GitHub's tokens without end",
                |it| it.replies.push(("/login/oauth/access_token", Reply::Huge)),
                down("size"),
            ),
        ),
        by(
            "github",
            bent(
                "an unverified address at GitHub",
                |it| it.addresses = |all| all[1]["verified"] = json!(false),
                UNVERIFIED,
            ),
        ),
        by(
            "github",
            bent(
                "no primary address at GitHub",
                |it| it.addresses = |all| all[1]["primary"] = json!(false),
                UNVERIFIED,
            ),
        ),
        by(
            "github",
            bent(
                "no address at GitHub",
                |it| it.addresses = |all| *all = json!([]),
                UNVERIFIED,
            ),
        ),
    ]
}

const UNVERIFIED: Expected = because((403, "email_unverified"), "e-mail address");

/// An issuer that takes longer is not waited for.
const IMPATIENT: WireLimits = WireLimits {
    time: Duration::from_millis(300),
    bytes: 64 << 10,
};

/// Tries a case; what is wrong with how it ended.
async fn wrong(case: &Case) -> Option<String> {
    let is_slow = case.expected.2 == Some("slow");
    let patient = WireLimits {
        time: Duration::from_secs(30),
        ..IMPATIENT
    };
    let port = Port::new(Home::Sqlite, if is_slow { IMPATIENT } else { patient }).await;
    port.sign_up("open").await;
    port.mock.bend(case.bend);
    if let Some(change) = case.claims {
        port.mock.bend(|bends| bends.claims = change);
    }
    let mut trip = port.set_out(case.issuer).await;
    (case.detour)(&mut trip, &port.mock);
    let answer = port.come_back(&trip).await;
    let (status, code) = problem(&answer);
    let (expected_status, expected_code, reason) = case.expected;
    let noted = port.last_reason().await;
    let is_as_expected = (status, code.as_str()) == (expected_status, expected_code)
        && noted.as_deref() == reason
        && !opens(&answer)
        && port.accounts().await == 0
        && port.mock.asked("/elsewhere") == 0;
    (!is_as_expected).then(|| format!("{}: {status} {code} {noted:?}\n", case.name))
}

async fn try_all(cases: &[Case], least: usize) {
    assert!(cases.len() >= least, "{} cases", cases.len());
    let mut complaints = String::new();
    for case in cases {
        complaints.extend(wrong(case).await);
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[tokio::test]
async fn nobody_comes_back_for_another() {
    try_all(&detours(), 30).await;
}

#[tokio::test]
async fn no_identity_token_proves_what_it_does_not_say() {
    try_all(&wrong_claims(), 20).await;
}

#[tokio::test]
async fn no_issuer_is_believed_or_waited_for_that_is_not_as_it_should_be() {
    try_all(&bends(), 35).await;
}

/// What an issuer says of itself is read before anybody is sent there.
#[tokio::test]
async fn nobody_is_sent_to_an_issuer_that_describes_itself_wrongly() {
    const DOCUMENT: &str = "/.well-known/openid-configuration";
    let documents: [(&str, Bend); 9] = [
        ("another issuer", |it| {
            it.document = |all| all["issuer"] = json!("https://evil.example");
        }),
        ("almost the issuer", |it| {
            it.document = |all| {
                all["issuer"] = json!(format!("{}/", all["issuer"].as_str().unwrap()));
            }
        }),
        ("an insecure page", |it| {
            it.document = |all| {
                all["authorization_endpoint"] = json!("http://login.example/authorize");
            }
        }),
        ("insecure keys", |it| {
            it.document = |all| all["jwks_uri"] = json!("http://login.example/keys");
        }),
        ("tokens by name and password", |it| {
            it.document = |all| {
                all["token_endpoint"] = json!("https://a:b@login.example/token");
            }
        }),
        ("keys in a file", |it| {
            it.document = |all| all["jwks_uri"] = json!("file:///etc/passwd");
        }),
        ("elsewhere", |it| {
            it.replies.push((DOCUMENT, Reply::Redirect));
        }),
        ("without end", |it| it.replies.push((DOCUMENT, Reply::Huge))),
        ("never", |it| it.replies.push((DOCUMENT, Reply::Never))),
    ];
    for (name, bend) in documents {
        let port = Port::new(Home::Sqlite, IMPATIENT).await;
        port.mock.bend(bend);
        let answer = port.get("/api/auth/with/company").await;
        assert_eq!(
            problem(&answer),
            (502, "issuer_unavailable".to_owned()),
            "{name}"
        );
        assert!(answer.header("location").is_none() && answer.header("set-cookie").is_none());
        assert_eq!(port.mock.asked("/elsewhere"), 0, "{name}");
    }
    let port = Port::open(Home::Sqlite).await;
    for path in [
        "/api/auth/with/nobody",
        "/api/auth/with/company%2F..",
        "/api/auth/with/Company",
    ] {
        assert_eq!(
            problem(&port.get(path).await),
            (404, "not_found".to_owned()),
            "{path}"
        );
    }
    let answer = port.get("/api/auth/with/company?invitation=x").await;
    assert_eq!(problem(&answer), (400, "invalid_value".to_owned()));
}

#[test]
fn an_issuer_that_anybody_can_listen_to_is_none() {
    drop(super::server::client());
    let company = |issuer: &str| IssuerSettings {
        id: "company".to_owned(),
        name: String::new(),
        client: "c".to_owned(),
        kind: IssuerKind::OpenId {
            issuer: issuer.to_owned(),
            secret: None,
        },
    };
    let build = |url: &str, settings: Vec<IssuerSettings>| {
        Issuers::new(&url.parse().unwrap(), settings, WireLimits::default())
    };
    let good = || company("https://login.example");
    assert!(build("https://chat.example", vec![good()]).is_ok());
    assert!(build("http://localhost:7878", vec![company("http://127.0.0.1:9")]).is_ok());
    let renamed = |id: &str| IssuerSettings {
        id: id.to_owned(),
        ..good()
    };
    let apple = |key: &str| IssuerSettings {
        kind: IssuerKind::Apple {
            issuer: "https://appleid.apple.com".to_owned(),
            team: String::new(),
            key_id: String::new(),
            key: Secret::new(key.to_owned()),
        },
        ..good()
    };
    for (url, settings) in [
        ("http://chat.example", vec![good()]),
        (
            "https://chat.example",
            vec![company("http://login.example")],
        ),
        ("https://chat.example", vec![company("login.example")]),
        ("https://chat.example", vec![company("file:///x")]),
        ("https://chat.example", vec![good(), good()]),
        ("https://chat.example", vec![renamed("")]),
        ("https://chat.example", vec![renamed("a/b")]),
        ("https://chat.example", vec![renamed("..")]),
        ("https://chat.example", vec![apple("no key")]),
        (
            "https://chat.example",
            vec![apple(include_str!("issuer_key.pem"))],
        ),
    ] {
        let shown = format!("{settings:?}");
        assert!(build(url, settings).is_err(), "{url} {shown}");
    }
}
