//! The secrets of signing in by an issuer: the client's secret at it, codes, states, tickets.
//!
//! Seen to fail with the parameters of a return in a line of `rustygpt-api/src/api/elsewhere.rs` at
//! level trace.

use super::{MARK, PLACE, assert_no_leak, say};
use crate::accounts::Person;
use crate::home::Home;
use crate::oauth_trip::{Port, cookie};
use rustygpt_utils::telemetry::{self, LogFormat};
use std::process::Command;

/// Not a test: somebody comes in by each issuer, and twice nobody does. It says which secrets there
/// were.
#[tokio::test]
#[ignore = "run by the test below"]
async fn journey() {
    if std::env::var_os(PLACE).is_none() {
        return;
    }
    telemetry::start("trace", LogFormat::Json).unwrap();
    for issuer in ["github", "company", "apple"] {
        let port = Port::open(Home::Sqlite).await;
        for wrong in ["state", "code"] {
            let mut lost = port.set_out(issuer).await;
            lost.set(wrong, MARK);
            assert!(
                port.come_back(&lost).await.status >= 400,
                "{issuer} {wrong}"
            );
        }
        let trip = port.set_out(issuer).await;
        for (_, parameter) in &trip.parameters {
            say(&format!("secret {parameter}"));
        }
        let (_, browser) = trip.cookies.split_once('=').unwrap();
        say(&format!("secret {browser}"));
        let returned = port.come_back(&trip).await;
        let ticket = cookie(&returned, "__Host-rustygpt-ticket").unwrap();
        say(&format!("secret {ticket}"));
        let person = Person::of(&port.finish(&returned, None).await);
        for secret in [&person.token, &person.refresh, &person.proof] {
            say(&format!("secret {secret}"));
        }
    }
}

#[test]
fn nothing_secret_is_seen_of_a_way_in_by_an_issuer() {
    let done = Command::new(std::env::current_exe().unwrap())
        .args([
            "canary::issuers::journey",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(PLACE, "sqlite")
        .output()
        .unwrap();
    let (said, log) = (
        String::from_utf8(done.stdout).unwrap(),
        String::from_utf8(done.stderr).unwrap(),
    );
    assert!(done.status.success(), "{log}");
    let told = said.lines().filter_map(|line| line.strip_prefix("secret "));
    let mut secrets: Vec<String> = told.map(str::to_owned).collect();
    assert_eq!(secrets.len(), 3 * 7, "{said}");
    // What the server proves itself with, and the beginning of its key at Apple.
    secrets.extend(["github-secret", "company-secret", "PRIVATE KEY"].map(str::to_owned));
    assert!(log.contains("\"TRACE\"") && log.contains("/api/auth/with/{issuer}"));
    assert_no_leak(&secrets, [("the log", log.as_str())]);
}
