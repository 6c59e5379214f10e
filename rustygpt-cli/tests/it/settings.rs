//! Settings in the store, secrets by reference, and tasks, as the command line has them.

use super::command::{Home, Ran, Server};
use std::time::{Duration, Instant};

const PASSWORD: &str = "canary-password-7f3a";

/// The line of a setting.
fn line(ran: &Ran, name: &str) -> String {
    let mut lines = ran.answer().lines();
    let line = lines.find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {ran:?}"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn token(server: &Server, home: &Home) -> String {
    let answer = server.administrator(home, "ada@example.org", PASSWORD);
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Waits for what another process brings about within seconds.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "not after 10 s: {what}");
    }
}

#[test]
fn a_setting_of_the_store_counts_in_the_running_server() {
    let home = Home::new();
    home.write(".config/rustygpt/config.toml", "sign_up = \"invite\"");
    let shown = home.run(&["config", "show"]);
    assert!(
        line(&shown, "sign_up").ends_with("config.toml"),
        "{shown:?}"
    );
    assert!(
        !home.data().join("rustygpt.db").exists(),
        "looking makes no store"
    );
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    let sign_up = |email: &str| {
        let body = format!(r#"{{"email":"{email}","password":"{PASSWORD}"}}"#);
        server.ask("POST", "/api/auth/sign-up", "", &body).0
    };
    assert_eq!(sign_up("eve@example.org"), 403);
    let set = home.run(&["config", "set", "sign_up", "open"]);
    assert_eq!(set.answer(), "sign_up is \"open\" now\n");
    until("sign-up is open", || sign_up("eve@example.org") == 200);
    let shown = home.run(&["config", "show"]);
    assert_eq!(line(&shown, "sign_up"), "sign_up \"open\" store");
    home.run(&["config", "unset", "sign_up"]).answer();
    until("sign-up is closed", || sign_up("bob@example.org") == 403);
    let shown = home.run(&["config", "show"]);
    assert!(
        line(&shown, "sign_up").ends_with("config.toml"),
        "{shown:?}"
    );

    let mut pinned = home.rustygpt(&["config", "set", "sign_up", "open"]);
    pinned.env("RUSTYGPT_SIGN_UP", "closed");
    let pinned = Ran::of(pinned.output().unwrap());
    assert!(pinned.error().contains("RUSTYGPT_SIGN_UP"), "{pinned:?}");
    for (name, value, says) in [
        ("sing_up", "open", "'sign_up'"),
        ("sign_up", "all", "closed, invite, open"),
        ("temperature", "hot", "from 0 to 2"),
        ("port", "80", "when the server starts"),
        ("api_key", "canary", "when the server starts"),
    ] {
        let refused = home.run(&["config", "set", name, value]);
        assert!(refused.error().contains(says), "{refused:?}");
    }
    assert!(home.run(&["audit", "verify"]).answer().contains("whole"));
}

/// What must never be seen is looked for wherever something is kept or told.
#[test]
fn secrets_by_reference_stay_where_they_lie() {
    let home = Home::new();
    let key = "canary-api-key-5d5d0123456789";
    let file = home.write("secrets/key", format!("{key}\n"));
    home.write(
        ".config/rustygpt/config.toml",
        format!(
            "api_key = \"file:{}\"\nhf_token = \"env:CANARY\"\nlog = \"trace\"",
            file.display()
        ),
    );
    let log = home.path("server.log");
    let mut command = home.rustygpt(&["serve", "--port", "0"]);
    command.env("CANARY", "canary-hf-token-91bc");
    let server = Server::start_with_errors_to(command, std::fs::File::create(&log).unwrap());
    assert_eq!(server.ask("GET", "/v1/models", key, "").0, 200);
    assert_eq!(server.ask("GET", "/v1/models", "file:anything", "").0, 401);
    let token = token(&server, &home);
    let (_, settings) = server.ask("GET", "/api/admin/settings", &token, "");
    assert!(settings.contains("env:CANARY"), "{settings}");
    let (status, task) = server.ask("POST", "/api/admin/audit/exports", &token, "");
    assert_eq!(status, 200, "{task}");
    let task: serde_json::Value = serde_json::from_str(&task).unwrap();
    let id = task["id"].as_str().unwrap();
    until("the export is done", || {
        let shown = home.run(&["tasks", "show", id]);
        shown.answer().contains("done")
    });
    let export = home.data().join(format!("audit/export-{id}.jsonl"));
    let verified = home.run(&["audit", "verify", "--file", export.to_str().unwrap()]);
    assert!(verified.answer().contains("whole"), "{verified:?}");
    let listed = home.run(&["tasks", "list", "--state", "done", "--kind", "audit.export"]);
    assert!(listed.answer().contains(id), "{listed:?}");
    assert_eq!(home.run(&["tasks", "list", "--state", "dead"]).answer(), "");
    assert_eq!(
        home.run(&["tasks", "list", "--state", "gone"]).code,
        Some(2)
    );
    assert_eq!(home.run(&["user", "usage"]).answer(), "");
    let config = home.run(&["config", "show"]);
    assert_eq!(
        line(&config, "api_key").split_whitespace().nth(1),
        Some(format!("file:{}", file.display()).as_str())
    );
    let (_, metrics) = server.ask("GET", "/metrics", key, "");
    server.terminate();
    let mut places = vec![
        ("settings".to_owned(), settings.into_bytes()),
        ("config show".to_owned(), config.out.into_bytes()),
        ("metrics".to_owned(), metrics.into_bytes()),
        ("log".to_owned(), std::fs::read(&log).unwrap()),
        ("export".to_owned(), std::fs::read(&export).unwrap()),
    ];
    for entry in std::fs::read_dir(home.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.display().to_string();
            places.push((name, std::fs::read(path).unwrap()));
        }
    }
    assert!(places.iter().any(|(name, _)| name.ends_with("rustygpt.db")));
    for (place, bytes) in &places {
        let found = bytes.windows(6).any(|window| window == b"canary");
        assert!(!found, "a secret is in {place}");
    }

    // A file that was changed does not verify.
    let text = std::fs::read_to_string(&export).unwrap();
    let forged = home.write("forged.jsonl", text.replace("account.add", "account.adD"));
    let forged = home.run(&["audit", "verify", "--file", forged.to_str().unwrap()]);
    assert_eq!(forged.code, Some(1));
    assert!(forged.out.contains("was changed"), "{forged:?}");
    let none = home.run(&["audit", "verify", "--file", file.to_str().unwrap()]);
    assert!(
        none.error().contains("line 1") && !none.err.contains("canary"),
        "{none:?}"
    );
}

#[test]
fn what_a_reference_leads_to_must_be_there() {
    let home = Home::new();
    for (reference, says) in [
        ("keyring:rustygpt/key", "keyring"),
        ("env:RUSTYGPT_NEVER_SET", "it is not set"),
        ("file:/does/not/exist", "/does/not/exist"),
        ("keyring:rustygpt", "keyring:SERVICE/NAME"),
    ] {
        let mut command = home.rustygpt(&["env", "openai"]);
        command.env("RUSTYGPT_API_KEY", reference);
        // A server has none.
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/does/not/exist");
        let ran = Ran::of(command.output().unwrap());
        assert!(ran.error().contains(says), "{ran:?}");
    }
    let mut command = home.rustygpt(&["migrate"]);
    command.env("DATABASE_URL", "env:ELSEWHERE");
    let store = home.path("elsewhere.db");
    command.env("ELSEWHERE", format!("sqlite:{}", store.display()));
    Ran::of(command.output().unwrap()).answer();
    assert!(store.exists() && !home.data().join("rustygpt.db").exists());
}
