//! Models that `serve` loads when they are asked for.

use crate::command::{Home, Server, tiny_model};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn key(home: &Home) -> String {
    let key = fs::read_to_string(home.data().join("api-key")).unwrap();
    key.trim().to_owned()
}

/// Copies models into the models folder: `(file, fixture)`.
fn furnish(home: &Home, models: &[(&str, &str)]) -> PathBuf {
    let folder = home.data().join("models");
    fs::create_dir_all(&folder).unwrap();
    for (file, fixture) in models {
        fs::copy(tiny_model(fixture), folder.join(file)).unwrap();
    }
    folder
}

fn chat(server: &Server, home: &Home, model: &str) -> (u16, String) {
    let messages = r#"[{"role":"user","content":"Hello"}]"#;
    let body = format!(r#"{{"model":"{model}","messages":{messages},"max_tokens":4}}"#);
    server.ask("POST", "/v1/chat/completions", &key(home), &body)
}

/// The model's part of `/status`.
fn status(server: &Server, home: &Home, model: &str) -> Value {
    let (_, text) = server.ask("GET", "/status", &key(home), "");
    let status: Value = serde_json::from_str(&text).unwrap();
    let models = status["models"].as_array().unwrap();
    models.iter().find(|it| it["id"] == model).unwrap().clone()
}

fn until(server: &Server, home: &Home, model: &str, state: &str) {
    while status(server, home, model)["state"] != state {
        std::thread::yield_now();
    }
}

#[test]
fn the_models_folder_is_loaded_on_demand() {
    let home = Home::new();
    let models = [
        ("one.gguf", "llama/model.gguf"),
        ("two.gguf", "qwen2/model.gguf"),
    ];
    furnish(&home, &models);
    let server = Server::start(home.rustygpt(&["serve", "--port", "0"]));
    assert_eq!(server.ask("GET", "/readyz", "", "").0, 200);
    let (_, list) = server.ask("GET", "/v1/models", &key(&home), "");
    assert!(
        list.contains(r#""id":"one""#) && list.contains(r#""id":"two""#),
        "{list}"
    );
    assert_eq!(status(&server, &home, "one")["state"], "not loaded");
    let (code, answer) = chat(&server, &home, "one");
    assert_eq!(code, 200, "{answer}");
    let one = status(&server, &home, "one");
    assert_eq!(
        (&one["state"], &one["is_pinned"]),
        (&"running".into(), &false.into())
    );
    assert!(one["memory_bytes"].as_u64().unwrap() > 64 << 20, "{one}");
    assert_eq!(status(&server, &home, "two")["state"], "not loaded");
}

#[test]
fn a_file_that_is_deleted_or_replaced_after_it_was_listed_is_a_clear_error_until_it_is_back() {
    let home = Home::new();
    let folder = furnish(&home, &[("one.gguf", "llama/model.gguf")]);
    let path = folder.join("one.gguf");
    let server = Server::start(home.rustygpt(&["serve", "--port", "0", "--keep-alive", "0"]));
    fs::remove_file(&path).unwrap();
    let (code, error) = chat(&server, &home, "one");
    assert_eq!(code, 503, "{error}");
    assert!(
        error.contains("`one` could not be loaded") && error.contains("not found"),
        "{error}"
    );
    assert!(!error.contains(folder.to_str().unwrap()), "{error}");
    fs::write(&path, "GGUF, or so it says").unwrap();
    let (code, error) = chat(&server, &home, "one");
    assert_eq!(code, 503, "{error}");
    assert!(error.contains("broken"), "{error}");
    fs::copy(
        tiny_model("../embedding_models/bert-mean/model.gguf"),
        &path,
    )
    .unwrap();
    let (code, error) = chat(&server, &home, "one");
    assert_eq!(code, 400, "{error}");
    until(&server, &home, "one", "not loaded");
    fs::copy(tiny_model("qwen2/model.gguf"), &path).unwrap();
    let (code, answer) = chat(&server, &home, "one");
    assert_eq!(code, 200, "another model under the same name: {answer}");
    until(&server, &home, "one", "not loaded");
}

#[test]
fn named_models_are_pinned_unless_others_are() {
    let home = Home::new();
    let one = format!("{}=one", tiny_model("llama/model.gguf").display());
    let two = format!("{}=two", tiny_model("qwen2/model.gguf").display());
    let serve = ["serve", "--port", "0", "--model", &one, "--model", &two];
    let pinned = |more: &[&str]| {
        let server = Server::start(home.rustygpt(&[&serve, more].concat()));
        let states = ["one", "two"].map(|id| status(&server, &home, id)["is_pinned"] == true);
        let loaded = ["one", "two"].map(|id| status(&server, &home, id)["state"] == "running");
        assert_eq!(
            states, loaded,
            "pinned models are loaded at start, others are not"
        );
        states
    };
    assert_eq!(pinned(&[]), [true, true]);
    assert_eq!(pinned(&["--pin", "two"]), [false, true]);
    assert_eq!(pinned(&["--pin", "none"]), [false, false]);
    let alias = ["--alias", "gpt-4o=one", "--pin", "gpt-4o"];
    assert_eq!(pinned(&alias), [true, false]);
    let ran = home.run(&[&serve[..], &["--pin", "three"]].concat());
    assert!(ran.error().contains("no model `three` to pin"), "{ran:?}");
}

#[test]
fn what_does_not_fit_is_refused_with_the_bytes() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let model = model.to_str().unwrap();
    let serve = ["serve", "--port", "0", "--model-memory", "1MiB"];
    let ran = home.run(&[&serve[..], &["--model", model]].concat());
    let error = ran.error();
    assert!(
        error.contains("1048576 are available") && error.contains("--pin none"),
        "{error}"
    );
    furnish(&home, &[("one.gguf", "llama/model.gguf")]);
    let server = Server::start(home.rustygpt(&serve));
    let (code, error) = chat(&server, &home, "one");
    assert_eq!(code, 503, "{error}");
    assert!(error.contains("1048576 are available"), "{error}");
}
