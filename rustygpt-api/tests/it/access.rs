//! Who gets in.

use super::server::{Answer, KEY, Server, Setup, chat_body, failed};
use reqwest::Method;
use rustygpt_model::scripted::Script;
use serde_json::json;

const PRIVATE: [(Method, &str); 9] = [
    (Method::POST, "/v1/embeddings"),
    (Method::POST, "/v1/chat/completions"),
    (Method::GET, "/v1/models"),
    (Method::GET, "/v1/models/parrot"),
    (Method::GET, "/status"),
    (Method::GET, "/metrics"),
    (Method::GET, "/openapi.json"),
    (Method::GET, "/no/such/route"),
    (Method::DELETE, "/v1/models"),
];

#[tokio::test]
async fn every_route_but_health_needs_the_key() {
    let server = Server::saying("x").await;
    let longer = format!("Bearer {KEY}x");
    let shorter = format!("Bearer {}", &KEY[1..]);
    let basic = format!("Basic {KEY}");
    let wrong = [None, Some(""), Some("Bearer"), Some("Bearer "), Some(KEY)];
    let wrong = wrong
        .into_iter()
        .chain([Some(&*longer), Some(&*shorter), Some(&*basic)]);
    for authorization in wrong {
        for (method, path) in PRIVATE {
            let mut request = server.client.request(method, server.url(path));
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let answer = Answer::of(request).await;
            assert_eq!(
                answer.failure(),
                failed(401, "invalid_api_key", None),
                "{path}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            Answer::of(server.client.get(server.url(path))).await.status,
            200
        );
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let server = Server::saying("x").await;
    let request = server.client.get(server.url("/v1/models"));
    let answer = Answer::of(request.header("authorization", format!("bearer  {KEY} "))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_keyless_server_opens_inference_and_discovery_only() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.keyless = true;
    let server = setup.start().await;
    let chat = server
        .client
        .post(server.url("/v1/chat/completions"))
        .json(&chat_body(&json!({})));
    assert_eq!(Answer::of(chat).await.status, 200);
    for (path, expected) in [
        ("/v1/models", 200),
        ("/v1/models/parrot", 200),
        ("/api/version", 200),
        ("/api/tags", 200),
        ("/api/account", 401),
        ("/api/admin/accounts", 401),
        ("/status", 401),
        ("/metrics", 401),
        ("/openapi.json", 401),
        ("/v1/nothing", 401),
    ] {
        let answer = Answer::of(server.client.get(server.url(path))).await;
        assert_eq!(answer.status, expected, "{path}");
    }
    // A proxy on this machine hands on what came from elsewhere.
    for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let forwarded = server.client.get(server.url("/v1/models"));
        let forwarded = forwarded.header(name, "203.0.113.7");
        assert_eq!(Answer::of(forwarded).await.status, 401, "{name}");
    }
    let foreign = server
        .client
        .get(server.url("/v1/models"))
        .header("host", "evil.example");
    assert_eq!(
        Answer::of(foreign).await.failure(),
        failed(403, "host_not_allowed", None)
    );
}
