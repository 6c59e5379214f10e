//! Accounts from the command line, beside a server that runs.

use super::command::{Home, Server};

const SIGN_IN: &str = "/api/auth/sign-in";

/// The last word of an answer's first line that begins with `begin`.
fn last_word<'a>(answer: &'a str, begin: &str) -> &'a str {
    let line = answer.lines().find(|line| line.starts_with(begin));
    line.unwrap_or_else(|| panic!("no line '{begin}…' in {answer}"))
        .rsplit(' ')
        .next()
        .unwrap()
}

#[test]
fn an_account_made_here_signs_in_there_until_it_is_disabled_here() {
    let home = Home::new();
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    let add = home.run(&["user", "add", "ada@example.org", "--role", "admin"]);
    let code = last_word(add.answer(), "code to set");
    let body = format!(r#"{{"code":"{code}","new_password":"correct horse"}}"#);
    assert_eq!(server.ask("POST", "/api/auth/reset", "", &body).0, 204);
    let body = r#"{"email":"ada@example.org","password":"correct horse"}"#;
    let (status, answer) = server.ask("POST", SIGN_IN, "", body);
    assert_eq!(status, 200, "{answer}");
    let token: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let token = token["access_token"].as_str().unwrap();
    assert_eq!(server.ask("GET", "/api/admin/accounts", token, "").0, 200);

    let key = home.run_with(
        &["user", "add", "bob@example.org", "--password-stdin"],
        b"correct horse\n",
    );
    assert!(!key.answer().contains("code"), "{key:?}");
    let made = home.run(&["key", "create", "bob@example.org", "--name", "laptop"]);
    let key = made.answer().trim().to_owned();
    assert_eq!(server.ask("GET", "/v1/models", &key, "").0, 200);
    assert_eq!(server.ask("GET", "/api/admin/accounts", &key, "").0, 403);
    let listed = home.run(&["key", "list", "bob@example.org"]);
    assert!(
        listed.answer().contains("laptop") && !listed.out.contains(&key),
        "{listed:?}"
    );

    assert!(
        home.run(&["user", "disable", "bob@example.org"])
            .answer()
            .contains("disabled")
    );
    // Another process did it: the server looks once a second.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while server.ask("GET", "/v1/models", &key, "").0 != 401 {
        assert!(
            std::time::Instant::now() < until,
            "the key still opens after 5 s"
        );
    }
    let listed = home.run(&["user", "list"]);
    assert!(listed.answer().contains("bob@example.org"), "{listed:?}");
    let refused = home.run(&["user", "role", "ada@example.org", "user"]);
    assert!(
        refused.error().contains("last administrator"),
        "{refused:?}"
    );
    let verified = home.run(&["audit", "verify"]);
    assert!(verified.answer().contains("whole"), "{verified:?}");
}

#[test]
fn open_makes_the_owner_and_then_lets_them_in() {
    let home = Home::new();
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    let link = home.run(&["open"]);
    let (url, code) = link.answer().trim().split_once("/#owner=").unwrap();
    assert_eq!(url, server.url);
    let body =
        format!(r#"{{"code":"{code}","email":"ada@example.org","password":"correct horse"}}"#);
    let (status, answer) = server.ask("POST", "/api/auth/owner", "", &body);
    assert_eq!(status, 200, "{answer}");
    let link = home.run(&["open"]);
    let (_, code) = link.answer().trim().split_once("/#code=").unwrap();
    let body = format!(r#"{{"code":"{code}"}}"#);
    assert_eq!(server.ask("POST", "/api/auth/enter", "", &body).0, 200);
    assert_eq!(server.ask("POST", "/api/auth/enter", "", &body).0, 401);
}

#[test]
fn demo_data_goes_into_an_empty_store_only() {
    let home = Home::new();
    assert!(home.run(&["migrate"]).answer().contains("up to date"));
    let seeded = home.run(&["seed"]);
    assert!(seeded.answer().contains("ada@example.org"), "{seeded:?}");
    assert!(home.run(&["seed"]).error().contains("empty store"));
    assert_eq!(home.run(&["tasks", "list"]).answer(), "");
}

#[test]
fn secrets_stay_in_files_of_their_owner_and_the_store_elsewhere_is_named() {
    let home = Home::new();
    let mut command = home.rustygpt(&["migrate"]);
    command.env("DATABASE_URL", "mysql://user:s3cret@localhost/db");
    let ran = super::command::Ran::of(command.output().unwrap());
    assert!(
        ran.error().contains("DATABASE_URL") && !ran.err.contains("s3cret"),
        "{ran:?}"
    );
    let path = home.path("elsewhere/people.db");
    let mut command = home.rustygpt(&["seed"]);
    command.env(
        "RUSTYGPT_DATABASE_URL",
        format!("sqlite:{}", path.display()),
    );
    super::command::Ran::of(command.output().unwrap()).answer();
    assert!(path.exists() && !home.data().join("rustygpt.db").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in [path, home.data().join("root-secret")] {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.display());
        }
    }
}

/// What must never be seen is looked for wherever the server writes.
#[test]
fn secrets_are_in_no_log_and_no_metric() {
    let home = Home::new();
    let log = home.path("server.log");
    let mut command = home.rustygpt(&["serve", "--port", "0"]);
    command.env("RUSTYGPT_LOG", "trace");
    let server = Server::start_with_errors_to(command, std::fs::File::create(&log).unwrap());
    let answer = server.administrator(&home, "ada@example.org", "canary-password-7f3a");
    let token = answer["access_token"].as_str().unwrap().to_owned();
    let wrong = r#"{"email":"ada@example.org","password":"canary-wrong-91bc"}"#;
    assert_eq!(server.ask("POST", SIGN_IN, "", wrong).0, 401);
    let (_, made) = server.ask("POST", "/api/account/keys", &token, "{}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let key = made["secret"].as_str().unwrap().to_owned();
    let prompt = r#"{"model":"x","messages":[{"role":"user","content":"canary-prompt-5d5d"}]}"#;
    server.ask("POST", "/v1/chat/completions", &key, prompt);
    let (_, metrics) = server.ask("GET", "/metrics", &token, "");
    let (_, audit) = server.ask("GET", "/api/admin/audit", &token, "");
    server.terminate();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("http.route"), "the log was written: {log}");
    let local = std::fs::read_to_string(home.data().join("api-key")).unwrap();
    let root = std::fs::read_to_string(home.data().join("root-secret")).unwrap();
    for secret in [
        "canary",
        &token,
        &key,
        answer["proof"].as_str().unwrap(),
        local.trim(),
        root.trim(),
        "$argon2id$",
    ] {
        for (place, text) in [("log", &log), ("metrics", &metrics), ("audit", &audit)] {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
    }
}

#[test]
fn a_task_that_is_not_there_is_told() {
    let home = Home::new();
    for action in ["show", "retry", "cancel"] {
        let absent = home.run(&["tasks", action, "00000000-0000-0000-0000-000000000001"]);
        assert_eq!(absent.error(), "error: There is no such task.");
        let nonsense = home.run(&["tasks", action, "nonsense"]);
        assert!(nonsense.error().contains("no id of a task"), "{nonsense:?}");
    }
}
