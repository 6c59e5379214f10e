//! Secrets that are looked for wherever none may be: the log at its most talkative, what a panic
//! leaves, metrics, the audit log, another account's export, the list of processes.
//!
//! The server is a process of its own, so that all it says can be read: a test of this binary that
//! the other one starts. Seen to fail with a password in a line of `rustygpt-api/src/api/auth.rs` at
//! level trace, without the panic hook of `rustygpt-utils/src/telemetry.rs`, and with the names that a client gives to the
//! entries of `logit_bias` in a failed request's line.

mod issuers;

use super::accounts::{Person, code_at, problem};
use super::home::Home;
use super::server::{Answer, KEY, Setup, chat_body, client};
use reqwest::{Client, Method, RequestBuilder};
use rustygpt_model::scripted::Script;
use rustygpt_orchestrator::access::Caller;
use rustygpt_utils::tasks::Tasks;
use rustygpt_utils::telemetry::{self, LogFormat};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set in the process that is the server: where its accounts are.
const PLACE: &str = "RUSTYGPT_TEST_CANARY_STORE";
/// Part of every secret that is not made by the server.
const MARK: &str = "hush7f3a9c";
/// What the model answers.
const COMPLETION: &str = "hush7f3a9c the answer of the model";

/// Not a test: the server that is listened to. It does what its standard input says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests below"]
async fn server() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    telemetry::start("trace", LogFormat::Json).unwrap();
    let is_panicking = Arc::new(AtomicBool::new(false));
    let panics = Arc::clone(&is_panicking);
    let mut setup = Setup::new(Script::answering(COMPLETION));
    setup.accounts = true;
    setup.home = match place.as_str() {
        "sqlite" => Home::Sqlite,
        url => Home::Postgres(url.to_owned()),
    };
    // Stands for a handler that panics, with words of the request in its message.
    setup.new_id = Some(Arc::new(move |prefix| {
        assert!(
            prefix != "chatcmpl-" || !panics.load(Ordering::Relaxed),
            "cannot cut '{MARK} prompt' at 3"
        );
        rustygpt_utils::ids::completion_id(prefix)
    }));
    let server = setup.start().await;
    let people = server.people.as_ref().unwrap();
    let owner = Caller::local_owner();
    let code = people.accounts.offer_ownership(&owner).await.unwrap();
    say(&format!("listening on {}", server.url("")));
    say(&format!("code {}", code.unwrap().reveal()));
    loop {
        let line = Tasks::new().spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        match line.await.unwrap().unwrap().trim() {
            "panic" => is_panicking.store(true, Ordering::Relaxed),
            "close the store" => people.store.close().await,
            _ => return,
        }
        say("done");
    }
}

/// Says a line to the test that listens.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "\n{line}").unwrap();
    output.flush().unwrap();
}

/// The server from the outside.
struct Overheard {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    url: String,
    client: Client,
    /// All that must not be seen, beside [`MARK`].
    secrets: Vec<String>,
    /// What was answered where somebody asked for something wrong.
    failures: Vec<Answer>,
}

impl Overheard {
    fn start(place: &str, log: &Path) -> (Self, String) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["canary::server", "--exact", "--ignored", "--nocapture"])
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            url: String::new(),
            client: client(),
            secrets: vec![KEY.to_owned()],
            failures: Vec::new(),
        };
        server.url = server.hear("listening on ");
        let code = server.hear("code ");
        server.secrets.push(code.clone());
        (server, code)
    }

    /// What follows `begin` in the next line that begins so.
    fn hear(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.output.read_line(&mut line).unwrap();
            assert!(count > 0, "the server ended");
            if let Some(rest) = line.trim_end().strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
        self.hear("done");
    }

    fn request(&self, bearer: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        if bearer.is_empty() {
            request
        } else {
            request.bearer_auth(bearer)
        }
    }

    async fn post(&self, bearer: &str, path: &str, body: Value) -> Answer {
        Answer::of(self.request(bearer, Method::POST, path).json(&body)).await
    }

    /// Something that must not work.
    async fn fail(&mut self, request: RequestBuilder) -> u16 {
        let answer = Answer::of(request).await;
        assert!(answer.status >= 400, "{answer:?}");
        self.failures.push(answer);
        self.failures.last().unwrap().status
    }

    /// A secret that the server made.
    fn learn(&mut self, secret: &Value) -> String {
        let secret = secret.as_str().unwrap().to_owned();
        self.secrets.push(secret.clone());
        secret
    }

    /// What an answer lets somebody in with.
    fn learn_sign_in(&mut self, answer: &Answer) -> Person {
        let person = Person::of(answer);
        let secrets = [&person.token, &person.refresh, &person.proof];
        self.secrets.extend(secrets.map(String::clone));
        person
    }
}

/// Whatever is wrong with a way in.
async fn try_wrong_entrances(server: &mut Overheard) {
    let email = "ada@example.org";
    let path = "/api/auth/sign-in";
    for body in [
        json!({"email": email, "password": format!("{MARK} guess")}),
        json!({"email": format!("{MARK}@example.org"), "password": format!("{MARK} guess")}),
        json!({"email": email, "password": {MARK: format!("{MARK} in an object")}}),
        json!({"email": email, "password": [format!("{MARK} in a list")]}),
        json!({"email": email, "password": MARK, "code": format!("{MARK} code")}),
        json!({"email": 5, "password": format!("{MARK} beside a wrong type")}),
        json!({"password": format!("{MARK} alone")}),
        json!(format!("{MARK} only a text")),
    ] {
        let request = server.request("", Method::POST, path).json(&body);
        server.fail(request).await;
    }
    for body in [
        format!(r#"{{"email":"{email}","password":"{MARK} cut of"#),
        format!(r#"{{"email":"{email}","password":"{MARK} bad escape \q"}}"#),
        format!("email={email}&password={MARK}"),
    ] {
        let request = server.request("", Method::POST, path).body(body);
        let request = request.header("content-type", "application/json");
        server.fail(request).await;
    }
    let codes = [
        (
            "/api/auth/owner",
            json!({"code": MARK, "email": email, "password": format!("{MARK} x")}),
        ),
        (
            "/api/auth/reset",
            json!({"code": MARK, "new_password": format!("{MARK} new")}),
        ),
        ("/api/auth/enter", json!({"code": format!("{MARK} code")})),
        (
            "/api/auth/sign-up",
            json!({"email": email, "password": format!("{MARK} up"), "invitation": MARK}),
        ),
    ];
    for (path, body) in codes {
        let request = server.request("", Method::POST, path).json(&body);
        server.fail(request).await;
    }
    for request in [
        server.request(&format!("sk-rustygpt-{MARK}"), Method::GET, "/v1/models"),
        server.request(&format!("eyJ.{MARK}.{MARK}"), Method::GET, "/v1/models"),
        server
            .request("", Method::GET, &format!("/v1/models?api_key={MARK}"))
            .basic_auth("ada", Some(MARK)),
        server
            .request("", Method::GET, "/api/account")
            .header("cookie", format!("__Host-rustygpt-access={MARK}"))
            .header("x-rustygpt-proof", MARK),
        server
            .request("", Method::POST, "/api/auth/refresh")
            .header("cookie", format!("__Host-rustygpt-refresh={MARK}"))
            .header("x-rustygpt-proof", MARK),
    ] {
        server.fail(request).await;
    }
}

/// Chats that go well and chats that do not.
async fn chat(server: &mut Overheard, key: &str) {
    let prompt = json!([{"role": "user", "content": format!("{MARK} prompt")}]);
    let path = "/v1/chat/completions";
    for stream in [false, true] {
        let body = chat_body(&json!({"messages": prompt, "stream": stream, "user": MARK,
            "metadata": {MARK: MARK}}));
        let answer = server.post(key, path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for fields in [
        json!({"messages": [{"role": "user", "content": {MARK: 1}}]}),
        json!({"messages": [{"role": MARK, "content": "x"}]}),
        json!({"messages": prompt, "temperature": MARK}),
        json!({"messages": prompt, "logit_bias": {MARK: MARK}}),
        json!({"messages": prompt, "model": format!("{MARK} model")}),
        json!({"messages": prompt, "stop": [MARK, MARK, MARK, MARK, 5]}),
        json!({"messages": prompt, "response_format": {"type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": MARK}}}}),
        json!({"messages": [{"role": "user", "content": format!("{MARK} long ").repeat(100_000)}]}),
    ] {
        let request = server.request(key, Method::POST, path);
        server.fail(request.json(&chat_body(&fields))).await;
    }
    let embed = server.request(key, Method::POST, "/v1/embeddings");
    let body = json!({"model": "parrot", "input": format!("{MARK} input")});
    server.fail(embed.json(&body)).await;
    other_dialects(server, key).await;
    // HTTP/2, whose library tells of its frames.
    let second = Client::builder().no_proxy().http2_prior_knowledge();
    let first = std::mem::replace(&mut server.client, second.build().unwrap());
    let body = chat_body(&json!({"messages": prompt}));
    assert_eq!(server.post(key, path, body).await.status, 200);
    let wrong = server.request(&format!("sk-rustygpt-{MARK}"), Method::GET, "/v1/models");
    server.fail(wrong).await;
    server.client = first;
}

/// What goes well and what does not beside OpenAI's chats.
async fn other_dialects(server: &mut Overheard, key: &str) {
    let text = format!("{MARK} prompt");
    let prompt = json!([{"role": "user", "content": text}]);
    for (path, body) in [
        (
            "/v1/completions",
            json!({"model": "parrot", "prompt": text}),
        ),
        ("/v1/tokenize", json!({"model": "parrot", "prompt": text})),
        (
            "/v1/messages",
            json!({"model": "parrot", "max_tokens": 9, "messages": prompt}),
        ),
        ("/api/chat", json!({"model": "parrot", "messages": prompt})),
        ("/api/generate", json!({"model": "parrot", "prompt": text})),
    ] {
        let answer = server.post(key, path, body.clone()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        for (field, value) in [
            ("model", json!(format!("{MARK} model"))),
            ("prompt", json!({MARK: MARK})),
            ("messages", json!([{"role": MARK, "content": MARK}])),
        ] {
            let mut wrong = body.clone();
            if wrong.get(field).is_some() {
                wrong[field] = value;
                let request = server.request(key, Method::POST, path);
                server.fail(request.json(&wrong)).await;
            }
        }
    }
    // Anthropic's clients prove themselves by another header.
    let request = server.request("", Method::GET, "/v1/models");
    let wrong = request.header("x-api-key", format!("sk-rustygpt-{MARK}"));
    server.fail(wrong).await;
}

/// A second factor, set and used; the access token of the sign-in with it.
async fn second_factor(server: &mut Overheard, token: &str, password: &str) {
    let offer = server
        .post(token, "/api/account/second-factor/offer", json!({}))
        .await
        .json();
    let secret = server.learn(&offer["secret"]);
    server.learn(&offer["offer"]);
    let path = "/api/account/second-factor";
    let mut wrong = json!({"password": password, "offer": offer["offer"], "code": MARK});
    let request = server.request(token, Method::PUT, path).json(&wrong);
    server.fail(request).await;
    wrong["code"] = json!(code_at(&secret, super::server::NOW.as_secs()));
    let set = Answer::of(server.request(token, Method::PUT, path).json(&wrong)).await;
    let codes = set.json()["recovery_codes"].clone();
    for code in codes.as_array().unwrap() {
        server.learn(code);
    }
    let body = json!({"email": "ada@example.org", "password": password, "code": codes[0]});
    let answer = server.post("", "/api/auth/sign-in", body).await;
    server.learn_sign_in(&answer);
}

/// Everything that somebody may read who may read it, and everything that a process shows.
async fn shown(server: &Overheard, admin: &str, other: &str) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for (bearer, path) in [
        (KEY, "/metrics"),
        (KEY, "/status"),
        (admin, "/api/admin/audit?limit=1000"),
        (admin, "/api/admin/tasks"),
        (admin, "/api/admin/settings"),
        (admin, "/api/admin/accounts"),
        (other, "/api/account/export"),
        (other, "/api/account/sign-ins"),
    ] {
        let answer = Answer::of(server.request(bearer, Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        shown.push((path.to_owned(), answer.text));
    }
    let mut processes = vec![server.child.id().to_string()];
    while let Some(process) = processes.pop() {
        let folder = Path::new("/proc").join(process);
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            shown.push((folder.join(file).display().to_string(), text));
        }
        for thread in std::fs::read_dir(folder.join("task")).into_iter().flatten() {
            let children = std::fs::read_to_string(thread.unwrap().path().join("children"));
            let children = children.unwrap_or_default();
            processes.extend(children.split_whitespace().map(str::to_owned));
        }
    }
    shown
}

/// The forms in which a secret could be seen.
fn forms(secret: &str) -> Vec<String> {
    const ENOUGH: usize = 20;
    let bytes: Vec<String> = secret.bytes().take(ENOUGH).map(|b| b.to_string()).collect();
    let hex: String = secret
        .bytes()
        .take(ENOUGH)
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut forms = vec![secret.to_owned(), bytes.join(", "), hex];
    // A part of a secret is one, too; what all keys and tokens begin with is not.
    if secret.len() >= 2 * ENOUGH {
        forms.push(secret[secret.len() - ENOUGH..].to_owned());
    }
    forms
}

/// Checks that none of these texts, each with the name of its place, holds a secret or [`MARK`].
fn assert_no_leak<'a>(secrets: &[String], seen: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let marks = [MARK.to_owned()];
    let forms: Vec<String> = secrets
        .iter()
        .chain(&marks)
        .flat_map(|s| forms(s))
        .collect();
    // Every token of ours and of issuers begins so, whichever it is.
    let signed_token = "eyJ".to_owned();
    let mut leaks = Vec::new();
    for (place, text) in seen {
        for form in forms.iter().chain([&signed_token]) {
            if let Some(at) = text.find(form) {
                let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                let line: String = text[line..].chars().take(400).collect();
                leaks.push(format!("{form} in {place}: {line}"));
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n\n"));
}

async fn nothing_secret_is_seen(place: &str) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (mut server, code) = Overheard::start(place, &log);
    let password = format!("{MARK} password");
    let body = json!({"code": code, "email": "ada@example.org", "password": password});
    let answer = server.post("", "/api/auth/owner", body).await;
    let admin = server.learn_sign_in(&answer);
    let invitation = server
        .post(&admin.token, "/api/admin/invitations", json!({}))
        .await;
    let invitation = server.learn(&invitation.json()["code"]);
    let set = server.request(&admin.token, Method::PUT, "/api/admin/settings/sign_up");
    Answer::of(set.json(&json!({"value": "invite"}))).await;
    let body = json!({"email": "bob@example.org", "password": format!("{MARK} of bob"),
        "invitation": invitation});
    let answer = server.post("", "/api/auth/sign-up", body).await;
    let bob = server.learn_sign_in(&answer);
    let wish =
        json!({"scopes": ["inference", "read"], "quota": {"tokens": 1_000_000, "period": "day"}});
    let made = server
        .post(&admin.token, "/api/account/keys", wish)
        .await
        .json();
    let key = server.learn(&made["secret"]);

    try_wrong_entrances(&mut server).await;
    chat(&mut server, &key).await;
    second_factor(&mut server, &admin.token, &password).await;
    let wrong = json!({"password": format!("{MARK} wrong"), "new_password": format!("{MARK} new")});
    let request = server.request(&admin.token, Method::POST, "/api/account/password");
    assert_eq!(server.fail(request.json(&wrong)).await, 400);
    // A refresh token that is spent, by whoever has it.
    for _ in 0..2 {
        let refresh = server.request("", Method::POST, "/api/auth/refresh");
        let refresh = refresh.header("cookie", admin.cookies());
        let answer = Answer::of(refresh.header("x-rustygpt-proof", &admin.proof)).await;
        if answer.status == 200 {
            server.learn_sign_in(&answer);
        }
    }
    let shown = shown(&server, &admin.token, &bob.token).await;
    server.tell("panic");
    let prompt = json!([{"role": "user", "content": format!("{MARK} prompt")}]);
    let request = server.request(&key, Method::POST, "/v1/chat/completions");
    let body = chat_body(&json!({"messages": prompt}));
    assert_eq!(server.fail(request.json(&body)).await, 500);
    server.tell("close the store");
    for request in [
        server
            .request("", Method::POST, "/api/auth/sign-in")
            .json(&json!({"email": "ada@example.org", "password": password})),
        server.request(&format!("sk-rustygpt-{MARK}"), Method::GET, "/v1/models"),
        server.request(&admin.token, Method::GET, "/api/account"),
        server
            .request(&key, Method::POST, "/v1/chat/completions")
            .json(&body),
    ] {
        assert_eq!(server.fail(request).await, 503);
    }
    let Overheard {
        mut child,
        input,
        mut output,
        secrets,
        failures,
        ..
    } = server;
    drop(input);
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");

    let log = std::fs::read_to_string(&log).unwrap();
    let seen = shown
        .iter()
        .map(|(place, text)| (place.as_str(), text.as_str()))
        .chain([
            ("the log", log.as_str()),
            ("standard output", said.as_str()),
        ]);
    assert_no_leak(&secrets, seen);
    for wanted in [
        "\"TRACE\"",
        "\"panicked\"",
        "a handler panicked",
        "\"request\"",
        "sqlx",
    ] {
        assert!(log.contains(wanted), "the log does not even hold {wanted}");
    }
    // What went wrong is told without the secret that went with it. A chat's own words may be told
    // to who wrote them.
    for answer in failures
        .iter()
        .filter(|answer| answer.text.contains("about:blank"))
    {
        assert!(!answer.text.contains(MARK), "{}", answer.text);
        problem(answer);
    }
}

#[tokio::test]
async fn nothing_secret_is_seen_with_sqlite() {
    nothing_secret_is_seen("sqlite").await;
}

#[tokio::test]
async fn nothing_secret_is_seen_with_postgres() {
    if let Some(url) = rustygpt_db::testing::database(true).await {
        nothing_secret_is_seen(&url).await;
    }
}
