//! Encrypted connections.

use super::server::{KEY, Setup};
use rustygpt_api::listener::tls;
use rustygpt_model::scripted::Script;

#[tokio::test]
async fn encrypted_clients_speak_http2_and_http1() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.pem();
    let key = certified.signing_key.serialize_pem();
    let mut setup = Setup::new(Script::answering("x"));
    setup.options.tls = Some(tls::configuration(certificate.as_bytes(), key.as_bytes()).unwrap());
    let server = setup.start().await;
    let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    let builder = || {
        let builder = reqwest::Client::builder().no_proxy();
        builder
            .tls_certs_only([root.clone()])
            .resolve("localhost", server.address)
    };
    let address = format!("https://localhost:{}/v1/models", server.address.port());
    for (client, version) in [
        (builder().build().unwrap(), reqwest::Version::HTTP_2),
        (
            builder().http1_only().build().unwrap(),
            reqwest::Version::HTTP_11,
        ),
    ] {
        let request = client.get(&address).bearer_auth(KEY);
        let origin = format!("https://localhost:{}", server.address.port());
        let response = request.header("origin", origin).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), version);
    }
}

#[test]
fn a_certificate_of_no_use_is_told_why() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.pem();
    let key = certified.signing_key.serialize_pem();
    let other_key = other.signing_key.serialize_pem();
    for (certificate, key, expected) in [
        ("", key.as_str(), "there is no certificate"),
        (certificate.as_str(), "", "the private key is not valid PEM"),
        (certificate.as_str(), other_key.as_str(), "cannot be used"),
    ] {
        let error = tls::configuration(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
