//! Hosts and origins: checked before the key and before the body.

use super::raw::{exchange, request};
use super::server::{Answer, KEY, Server, Setup, chat_body, failed, failure};
use reqwest::Method;
use rustygpt_api::{Networks, Origin};
use rustygpt_model::scripted::Script;
use serde_json::json;

/// `Host` headers and whether a server on 127.0.0.1 answers to them.
const HOSTS: [(&str, bool); 34] = [
    ("localhost", true),
    ("LOCALHOST:8080", true),
    ("localhost:1", true),
    ("127.0.0.1", true),
    ("127.0.0.1:65535", true),
    ("127.0.0.2", true),
    ("[::1]", true),
    ("[::1]:8080", true),
    ("[0:0:0:0:0:0:0:1]:8080", true),
    ("chat.example", true),
    ("evil.example", false),
    ("chat.example.evil.example", false),
    ("evil-chat.example", false),
    ("localhost.evil.example", false),
    ("127.0.0.1.nip.io", false),
    ("localhost.", false),
    ("localhost:", false),
    ("localhost:99999", false),
    ("localhost:80:80", false),
    ("localhost:8o", false),
    ("localhost@evil.example", false),
    ("evil.example@localhost", false),
    ("evil.example#localhost", false),
    ("localhost/evil", false),
    ("localhost evil.example", false),
    ("localhost,evil.example", false),
    ("0.0.0.0", false),
    ("[::]", false),
    ("127.1", false),
    ("2130706433", false),
    ("0x7f.0.0.1", false),
    ("192.168.1.1", false),
    ("169.254.169.254", false),
    ("", false),
];

const ROUTES: [&str; 5] = [
    "GET /healthz",
    "GET /v1/models",
    "POST /v1/chat/completions",
    "GET /nothing",
    "OPTIONS /",
];

#[tokio::test]
async fn only_its_own_names_are_answered_to() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.allowed_hosts = vec!["Chat.Example".to_owned()];
    let server = setup.start().await;
    for (host, is_allowed) in HOSTS {
        for route in ROUTES {
            let line = format!("Host: {host}");
            // The body never comes: a refused host is refused without it.
            let lines = [line.as_str(), "Content-Length: 10"];
            let lines = if is_allowed { &lines[..1] } else { &lines[..] };
            let answer = exchange(server.address, &request(&server, route, lines, b"")).await;
            let answer = answer.unwrap();
            if is_allowed {
                assert_ne!(answer.status, 403, "{host} {route}: {}", answer.text());
            } else if answer.status == 400 {
                // Not even HTTP: hyper or the check for one host refuses it.
                assert!(!answer.text().contains("parrot"), "{host} {route}");
            } else {
                let expected = failed(403, "host_not_allowed", None);
                assert_eq!(
                    failure(answer.status, &answer.text()),
                    expected,
                    "{host} {route}"
                );
            }
        }
    }
}

#[tokio::test]
async fn hosts_that_contradict_each_other_are_refused() {
    let server = Server::saying("x").await;
    let two = ["Host: localhost", "Host: localhost"];
    let none = ["X-No-Host: 1"];
    for (first, lines) in [
        ("GET /healthz", &two[..]),
        ("GET http://evil.example/healthz", &two[..1]),
        ("GET http://localhost/healthz", &["Host: evil.example"]),
    ] {
        let answer = exchange(server.address, &request(&server, first, lines, b""))
            .await
            .unwrap();
        let expected = failed(400, "bad_request", None);
        assert_eq!(
            failure(answer.status, &answer.text()),
            expected,
            "{first} {lines:?}"
        );
    }
    let old = format!("GET /healthz HTTP/1.0\r\n{}\r\n\r\n", none[0]);
    let answer = exchange(server.address, old.as_bytes()).await.unwrap();
    assert_eq!(
        failure(answer.status, &answer.text()),
        failed(400, "bad_request", None)
    );
}

#[tokio::test]
async fn pages_of_other_origins_have_no_effect() {
    let server = Server::saying("x").await;
    let port = server.address.port();
    let own = format!("http://127.0.0.1:{port}");
    let other_port = format!("http://127.0.0.1:{}", port.wrapping_add(1));
    let encrypted = format!("https://127.0.0.1:{port}");
    let other_name = format!("http://localhost:{port}");
    let foreign = [
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "file://",
        "garbage",
    ];
    let mut table = vec![("origin", own.as_str(), true)];
    for origin in foreign
        .into_iter()
        .chain([&*other_port, &encrypted, &other_name])
    {
        table.push(("origin", origin, false));
    }
    for (site, is_allowed) in [
        ("same-origin", true),
        ("none", true),
        ("same-site", false),
        ("cross-site", false),
    ] {
        table.push(("sec-fetch-site", site, is_allowed));
    }
    for (name, value, is_allowed) in table {
        for (method, path) in [
            (Method::GET, "/healthz"),
            (Method::GET, "/v1/models"),
            (Method::POST, "/v1/chat/completions"),
            (Method::OPTIONS, "/v1/chat/completions"),
        ] {
            // A wrong key: the origin is looked at first.
            let request = server
                .client
                .request(method, server.url(path))
                .bearer_auth("wrong");
            let answer = Answer::of(request.header(name, value)).await;
            if is_allowed {
                assert_ne!(answer.status, 403, "{name}: {value} {path}");
            } else {
                let expected = failed(403, "origin_not_allowed", None);
                assert_eq!(answer.failure(), expected, "{name}: {value} {path}");
            }
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
}

#[tokio::test]
async fn configured_origins_may_read_and_no_others() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.cors_origins = vec![Origin::parse("https://ui.example").unwrap()];
    let server = setup.start().await;
    let preflight = |origin: &'static str| {
        let request = server
            .client
            .request(Method::OPTIONS, server.url("/v1/chat/completions"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            );
        Answer::of(request)
    };
    let answer = preflight("https://ui.example").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://ui.example")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization,content-type")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let answer = preflight("https://evil.example").await;
    assert_eq!(answer.failure(), failed(403, "origin_not_allowed", None));
    let request = server
        .chat(&json!({}))
        .header("origin", "https://ui.example");
    let answer = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://ui.example")
    );
}

#[tokio::test]
async fn only_a_trusted_proxy_speaks_for_others() {
    let proxied = |server: &Server| {
        let request = server.client.get(server.url("/v1/models")).bearer_auth(KEY);
        let request = request.header("x-forwarded-host", "chat.example");
        let request = request.header("x-forwarded-proto", "https");
        Answer::of(request.header("origin", "https://chat.example"))
    };
    let mut setup = Setup::new(Script::answering("x"));
    setup.allowed_hosts = vec!["chat.example".to_owned()];
    let stranger = setup.start().await;
    assert_eq!(
        proxied(&stranger).await.failure(),
        failed(403, "origin_not_allowed", None)
    );
    let mut setup = Setup::new(Script::answering("x"));
    setup.allowed_hosts = vec!["chat.example".to_owned()];
    setup.trusted_proxies = Networks::parse(["127.0.0.0/8"]).unwrap();
    let trusting = setup.start().await;
    assert_eq!(proxied(&trusting).await.status, 200);
    let mut setup = Setup::new(Script::answering("x"));
    setup.trusted_proxies = Networks::parse(["127.0.0.0/8"]).unwrap();
    let elsewhere = setup.start().await;
    assert_eq!(
        proxied(&elsewhere).await.failure(),
        failed(403, "host_not_allowed", None)
    );
}

#[tokio::test]
async fn the_public_address_is_a_host_and_an_origin() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.public_url = Some("https://ai.example/");
    let server = setup.start().await;
    let request = server.request(Method::POST, "/v1/chat/completions");
    let request = request
        .header("host", "ai.example")
        .header("origin", "https://ai.example");
    assert_eq!(
        Answer::of(request.json(&chat_body(&json!({}))))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn every_answer_has_the_safety_headers_and_an_id() {
    let server = Server::saying("x").await;
    for (path, key) in [
        ("/healthz", ""),
        ("/v1/models", KEY),
        ("/v1/models", "wrong"),
        ("/x", KEY),
    ] {
        let answer = Answer::of(server.client.get(server.url(path)).bearer_auth(key)).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
    }
    for (id, expected) in [("my-id_1.2:3", Some("my-id_1.2:3")), ("two words", None)] {
        let request = server
            .client
            .get(server.url("/healthz"))
            .header("x-request-id", id);
        let answer = Answer::of(request).await;
        let sent_back = answer.header("x-request-id").unwrap();
        assert!(expected.map_or(sent_back.starts_with("req_"), |id| sent_back == id));
    }
}
