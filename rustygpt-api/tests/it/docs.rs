//! The page that shows the document: whole, out of this server, and nothing from elsewhere.
//!
//! Seen to fail with an inline script in the page.

use super::server::{Answer, Server};
use reqwest::{Method, Url};

/// The values of an attribute in a page, in any tag.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let mark = format!(" {attribute}=\"");
    page.split(&mark)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

#[tokio::test]
async fn the_page_and_its_files_come_from_here() {
    let server = Server::saying("x").await;
    let page = Answer::of(server.anonymous(Method::GET, "/docs")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    // What a browser will not do, whatever is in the page: run or load anything from elsewhere.
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for directive in policy.split(';') {
        for source in directive.split_whitespace().skip(1) {
            assert!(["'none'", "'self'", "data:"].contains(&source), "{policy}");
        }
    }
    assert!(!policy.contains("script-src 'self' data:"), "{policy}");
    for script in page.text.split("<script").skip(1) {
        let (tag, rest) = script.split_once('>').unwrap();
        assert!(
            tag.contains(" src=\"") && rest.starts_with("</script>"),
            "{tag}"
        );
    }
    for inline in ["<style", " style=", "javascript:", " onload=", " onclick="] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    let base = Url::parse(&server.url("/docs")).unwrap();
    let addresses = [values(&page.text, "src"), values(&page.text, "href")].concat();
    assert_eq!(addresses.len(), 5, "{addresses:?}");
    for address in addresses {
        let address = base.join(address).unwrap();
        if address.scheme() == "data" {
            continue;
        }
        assert_eq!(address.origin(), base.origin(), "{address}");
        let file = Answer::of(server.anonymous(Method::GET, address.path())).await;
        assert_eq!(file.status, 200, "{address}");
        let is_script = address.path().ends_with(".js");
        let kind = if is_script {
            "text/javascript"
        } else {
            "text/css"
        };
        assert!(
            file.header("content-type").unwrap().starts_with(kind),
            "{address}"
        );
        if !is_script {
            for outside in file.text.split("url(").skip(1) {
                assert!(outside.trim_start_matches(['"', '\'']).starts_with("data:"));
            }
            assert!(!file.text.contains("@import"), "{address}");
        }
    }
    let script = Answer::of(server.anonymous(Method::GET, "/docs/page.js"))
        .await
        .text;
    assert!(!script.contains("://"), "it asks nobody else");
    assert!(script.contains("validatorUrl: null"), "nor does Swagger UI");
}

#[tokio::test]
async fn the_document_that_the_page_shows_still_needs_a_key() {
    let server = Server::saying("x").await;
    let document = || server.anonymous(Method::GET, "/openapi.json");
    assert_eq!(Answer::of(document()).await.failure().0, 401);
    let shown = Answer::of(document().bearer_auth(super::server::KEY)).await;
    assert_eq!(shown.json()["info"]["title"], "RustyGPT");
}

#[tokio::test]
async fn it_has_no_other_files_and_answers_no_other_host() {
    let server = Server::saying("x").await;
    for file in [
        "swagger-initializer.js",
        "oauth2-redirect.html",
        "index.html",
        "..%2fopenapi.json",
        "%ff",
        "",
    ] {
        let path = format!("/docs/{file}");
        let answer = Answer::of(server.anonymous(Method::GET, &path)).await;
        assert_eq!(answer.failure().0, 404, "{file}");
    }
    // A path that only begins alike is none of the page's: it needs a key as ever.
    let beside = Answer::of(server.anonymous(Method::GET, "/docsx")).await;
    assert_eq!(beside.failure().0, 401);
    for path in ["/docs", "/docs/page.js"] {
        for (name, value) in [
            ("host", "evil.example"),
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let request = server.anonymous(Method::GET, path).header(name, value);
            assert_eq!(Answer::of(request).await.status, 403, "{path} {name}");
        }
    }
}
