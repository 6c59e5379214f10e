//! The program as it is shipped, told secrets: none is in its log at the most talkative level, and
//! none in the list of processes.
//!
//! Seen to fail with the environment handed on to the processes that render templates.

use crate::command::{Home, Server, tiny_model};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;

/// A part of every secret of this test.
const MARK: &str = "hush5d10b2";

/// What everybody on this machine may read of a process, and what only its owner may.
fn shown(process: u32, file: &str) -> String {
    let path = Path::new("/proc").join(process.to_string()).join(file);
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The processes that a process began.
fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    let lists = threads.into_iter().flatten().map(|thread| {
        let list = thread.unwrap().path().join("children");
        std::fs::read_to_string(list).unwrap_or_default()
    });
    lists
        .flat_map(|list| {
            let ids = list.split_whitespace().map(|id| id.parse().unwrap());
            ids.collect::<Vec<u32>>()
        })
        .collect()
}

#[test]
fn no_secret_is_in_the_log_or_in_the_list_of_processes() {
    let home = Home::new();
    let log = home.path("log");
    let model = format!("{}=tiny", tiny_model("llama/model.gguf").display());
    let local_key = format!("{MARK}-a-key-of-the-environment");
    let mut command = home.rustygpt(&["serve", "--port", "0", "--model", &model, "--log", "trace"]);
    command.env("RUSTYGPT_API_KEY", &local_key);
    let server = Server::start_with_errors_to(command, File::create(&log).unwrap());
    let parsed = |(status, text): (u16, String)| -> Value {
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();

    let link = home.run(&["open"]).answer().trim().to_owned();
    let code = link.split_once("/#owner=").unwrap().1.to_owned();
    let email = "ada@example.org";
    let body = json!({"code": code, "email": email, "password": format!("{MARK} password")});
    let owner = parsed(server.ask("POST", "/api/auth/owner", "", &body.to_string()));
    let token = text(&owner["access_token"]);
    let wrong = json!({"email": email, "password": format!("{MARK} guess")}).to_string();
    assert_eq!(server.ask("POST", "/api/auth/sign-in", "", &wrong).0, 401);
    let made = home.run_with(
        &["user", "add", "bob@example.org", "--password-stdin"],
        format!("{MARK} of bob\n").as_bytes(),
    );
    made.answer();
    let key = home
        .run(&["key", "create", email])
        .answer()
        .trim()
        .to_owned();
    let chat = |key: &str, content: Value| {
        let messages = json!([{"role": "user", "content": content}]);
        let body = json!({"model": "tiny", "messages": messages, "max_tokens": 8});
        server.ask("POST", "/v1/chat/completions", key, &body.to_string())
    };
    for key in [&local_key, &key] {
        parsed(chat(key, json!(format!("{MARK} prompt"))));
    }
    assert_eq!(chat(&key, json!({MARK: MARK})).0, 400);
    assert_eq!(chat(&format!("sk-rustygpt-{MARK}"), json!("x")).0, 401);

    let mut seen = vec![("command line", shown(server.id(), "cmdline"))];
    if cfg!(target_os = "linux") {
        let helpers = children(server.id());
        assert!(!helpers.is_empty(), "nobody rendered the template");
        for helper in helpers {
            seen.push(("a helper's command line", shown(helper, "cmdline")));
            seen.push(("a helper's environment", shown(helper, "environ")));
        }
    }
    assert!(server.terminate().success());
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("DEBUG") && log.contains("/v1/chat/completions"));
    seen.push(("the log", log));
    for (place, shown) in &seen {
        for secret in [MARK, &code, &token, &key, &text(&owner["proof"])] {
            if let Some(at) = shown.find(secret) {
                let begin = shown[..at].rfind(['\n', '\0']).map_or(0, |end| end + 1);
                let line: String = shown[begin..].chars().take(400).collect();
                panic!("{secret} in {place}: {line}");
            }
        }
    }
}
