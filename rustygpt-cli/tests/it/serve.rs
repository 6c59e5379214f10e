use crate::command::{Home, Server, tiny_model};
use std::net::TcpListener;

fn key(home: &Home) -> String {
    std::fs::read_to_string(home.data().join("api-key"))
        .unwrap()
        .trim()
        .to_owned()
}

fn question(model: &str, more: &str) -> String {
    let messages = r#"[{"role":"user","content":"Hello"}]"#;
    format!(r#"{{"model":"{model}","messages":{messages},"max_tokens":8{more}}}"#)
}

#[test]
fn without_a_model_it_starts_says_so_and_ends_when_told() {
    let home = Home::new();
    let without = ["serve", "--port", "0", "--starter", "none"];
    let server = Server::start(home.rustygpt(&without));
    assert_eq!(server.ask("GET", "/healthz", "", "").0, 200);
    assert_eq!(
        server.ask("GET", "/v1/models", "", "").0,
        401,
        "the key is required"
    );
    let (status, models) = server.ask("GET", "/v1/models", &key(&home), "");
    assert_eq!(status, 200);
    assert!(models.contains(r#""data":[]"#), "{models}");
    let body = question("any", "");
    let (status, error) = server.ask("POST", "/v1/chat/completions", &key(&home), &body);
    assert_eq!(status, 404);
    assert!(
        error.contains("model_not_found") && error.contains("no model is loaded"),
        "{error}"
    );
    assert!(server.terminate().success());
    assert!(!home.data().join("server.json").exists());
}

#[test]
fn a_model_answers_whole_and_streamed_by_id_and_alias() {
    let home = Home::new();
    let model = format!("{}=tiny", tiny_model("llama/model.gguf").display());
    let arguments = [
        "serve",
        "--port",
        "0",
        "--model",
        &model,
        "--alias",
        "gpt-4o=tiny",
    ];
    let server = Server::start(home.rustygpt(&arguments));
    let (_, models) = server.ask("GET", "/v1/models", &key(&home), "");
    assert!(
        models.contains(r#""id":"tiny""#) && models.contains(r#""id":"gpt-4o""#),
        "{models}"
    );
    let ask = |body: &str| server.ask("POST", "/v1/chat/completions", &key(&home), body);
    let (status, whole) = ask(&question("tiny", r#","temperature":0"#));
    assert_eq!(status, 200, "{whole}");
    let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let whole = whole["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, stream) = ask(&question("gpt-4o", r#","temperature":0,"stream":true"#));
    assert_eq!(status, 200, "{stream}");
    assert!(stream.contains("data: [DONE]"), "{stream}");
    let deltas = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: {"));
    let streamed: String = deltas
        .filter_map(|json| serde_json::from_str::<serde_json::Value>(&format!("{{{json}")).ok())
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert_eq!(streamed, whole);
}

#[test]
fn a_conversation_goes_on_after_a_restart_where_it_was() {
    let home = Home::new();
    let model = format!("{}=tiny", tiny_model("llama/model.gguf").display());
    let body = {
        let long = "words that were read once ".repeat(12);
        let messages = format!(r#"[{{"role":"user","content":"{long}"}}]"#);
        format!(r#"{{"model":"tiny","messages":{messages},"max_tokens":4,"temperature":0}}"#)
    };
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let arguments = ["serve", "--port", "0", "--model", &model];
        let folder = ["--prompt-cache", "kept/prompts"];
        let server = Server::start(home.rustygpt(&[&arguments[..], &folder].concat()));
        let (status, answer) = server.ask("POST", "/v1/chat/completions", &key(&home), &body);
        assert_eq!(status, 200, "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let cached = &answer["usage"]["prompt_tokens_details"]["cached_tokens"];
        let said = answer["choices"][0]["message"]["content"].clone();
        outcomes.push((said, cached.as_u64().unwrap()));
        assert!(server.terminate().success());
    }
    assert_eq!(outcomes[0].0, outcomes[1].0);
    assert_eq!(outcomes[0].1, 0);
    assert!(outcomes[1].1 > 200, "{outcomes:?}");
    assert!(home.path("kept/prompts/tiny.prompts").exists());
}

#[test]
fn the_models_folder_is_served_and_a_broken_file_left_out() {
    let home = Home::new();
    let models = home.data().join("models");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::copy(tiny_model("qwen2/model.gguf"), models.join("good.gguf")).unwrap();
    std::fs::write(models.join("bad.gguf"), "GGUF, or so it says").unwrap();
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    let (_, list) = server.ask("GET", "/v1/models", &key(&home), "");
    assert!(
        list.contains(r#""id":"good""#) && !list.contains("bad"),
        "{list}"
    );
}

#[test]
fn a_model_that_was_named_must_load() {
    let home = Home::new();
    let bad = home.write("bad.gguf", "GGUF, or so it says");
    let ran = home.run(&["serve", "--port", "0", "--model", bad.to_str().unwrap()]);
    assert!(ran.error().contains("bad.gguf"), "{ran:?}");
    assert_eq!(ran.out, "", "nothing listens");
    let ran = home.run(&["serve", "--port", "0", "--model", "none.gguf"]);
    assert!(ran.error().contains("none.gguf"), "{ran:?}");
    let good = tiny_model("llama/model.gguf");
    let good = good.to_str().unwrap();
    let ran = home.run(&["serve", "--port", "0", "--model", good, "--model", good]);
    assert!(
        ran.error().contains("two models would be called"),
        "{ran:?}"
    );
    let ran = home.run(&[
        "serve",
        "--port",
        "0",
        "--model",
        good,
        "--alias",
        "gpt-4o=other",
    ]);
    assert!(
        ran.error().contains("gpt-4o") && ran.error().contains("other"),
        "{ran:?}"
    );
}

#[test]
fn a_public_address_needs_a_chosen_key() {
    let home = Home::new();
    let arguments = ["serve", "--port", "0", "--host", "0.0.0.0"];
    let ran = home.run(&arguments);
    assert!(ran.error().contains("RUSTYGPT_API_KEY"), "{ran:?}");
    let mut command = home.rustygpt(&arguments);
    command.env("RUSTYGPT_API_KEY", "a-key-that-was-chosen");
    let mut server = Server::start(command);
    server.url = format!("http://127.0.0.1:{}", server.port());
    assert_eq!(
        server
            .ask("GET", "/v1/models", "a-key-that-was-chosen", "")
            .0,
        200
    );
    assert!(!home.data().join("api-key").exists(), "no second key");
}

#[test]
fn a_second_server_says_who_is_in_its_way() {
    let home = Home::new();
    let first = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    let second = home.run(&["serve", "--port", "0"]);
    assert!(second.error().contains(&first.url) && second.error().contains("--data-dir"));
    let other_folder = home.path("other");
    let other_folder = other_folder.to_str().unwrap();
    let second = home.run(&["serve", "--port", first.port(), "--data-dir", other_folder]);
    assert!(second.error().contains(first.port()) && second.error().contains("--port"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let third = home.run(&["serve", "--port", &port, "--data-dir", other_folder]);
    assert!(third.error().contains(&port), "{third:?}");
}

#[test]
fn other_commands_find_the_server_that_runs() {
    let home = Home::new();
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    assert!(
        home.run(&["env", "openai"])
            .answer()
            .contains(&format!("{}/v1", server.url))
    );
    let doctor = home.run(&["doctor", "--port", server.port()]);
    assert!(
        !doctor.out.contains("port-in-use"),
        "our own server is no fault: {doctor:?}"
    );
}

#[test]
fn ready_made_snippets_follow_the_address() {
    let home = Home::new();
    let model = format!("{}=tiny", tiny_model("llama").display());
    let arguments = ["serve", "--port", "0", "--model", &model, "--show-clients"];
    let mut server = Server::start(home.rustygpt(&arguments));
    let mut text = String::new();
    while !text.contains("chatLanguageModels") {
        text.push_str(&server.next_line());
    }
    assert!(
        text.contains(&format!("OPENAI_BASE_URL={}/v1", server.url)),
        "{text}"
    );
    assert!(
        text.contains(&key(&home)) && text.contains(r#""model": "tiny""#),
        "{text}"
    );
}

#[test]
fn https_is_spoken_with_a_certificate() {
    let home = Home::new();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = home.write("cert.pem", pair.cert.pem());
    let private = home.write("key.pem", pair.signing_key.serialize_pem());
    let (chain, private) = (chain.to_str().unwrap(), private.to_str().unwrap());
    let arguments = [
        "serve",
        "--port",
        "0",
        "--tls-cert",
        chain,
        "--tls-key",
        private,
    ];
    let server = Server::start(home.rustygpt(&arguments));
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    let ran = home.run(&["serve", "--port", "0", "--tls-cert", chain]);
    assert!(ran.error().contains("--tls-key"), "{ran:?}");
}

#[test]
fn models_that_answer_and_models_that_embed_are_served_together() {
    let home = Home::new();
    let answering = format!("{}=tiny", tiny_model("llama/model.gguf").display());
    let embedding = tiny_model("../embedding_models/bert-mean");
    let arguments = [
        "serve",
        "--port",
        "0",
        "--model",
        &answering,
        "--model",
        embedding.to_str().unwrap(),
    ];
    let server = Server::start(home.rustygpt(&arguments));
    let key = key(&home);
    let body = r#"{"model":"bert-mean","input":["The sky is blue.","a"],"dimensions":4}"#;
    let (status, answer) = server.ask("POST", "/v1/embeddings", &key, body);
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains(r#""prompt_tokens":10"#),
        "the texts in their frames have 7 and 3 tokens: {answer}"
    );
    let (status, answer) = server.ask("POST", "/v1/chat/completions", &key, &question("tiny", ""));
    assert_eq!(status, 200, "{answer}");
    let (status, error) = server.ask(
        "POST",
        "/v1/chat/completions",
        &key,
        &question("bert-mean", ""),
    );
    assert_eq!(status, 400, "{error}");
    assert!(error.contains("embedding model and cannot chat"), "{error}");
    let (_, status) = server.ask("GET", "/status", &key, "");
    assert!(
        status.contains(r#""kind":"embedding""#) && status.contains(r#""kind":"language""#),
        "{status}"
    );
}

#[test]
fn a_model_that_embeds_is_found_in_the_models_folder() {
    let home = Home::new();
    let folder = home.data().join("models");
    std::fs::create_dir_all(&folder).unwrap();
    let model = tiny_model("../embedding_models/bert-mean/model.gguf");
    std::fs::copy(model, folder.join("bert.gguf")).unwrap();
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    let body = r#"{"model":"bert","input":"The sky is blue."}"#;
    let (status, answer) = server.ask("POST", "/v1/embeddings", &key(&home), body);
    assert_eq!(status, 200, "{answer}");
}
