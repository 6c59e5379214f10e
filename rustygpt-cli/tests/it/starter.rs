use crate::command::{Home, Server, tiny_model};
use std::path::{Path, PathBuf};

const FILE: &str = "rustygpt-starter-q8_0.gguf";

/// A server without any model but a built-in one, and what it lists.
fn models_of(home: &Home, program: Option<PathBuf>, starter: Option<&Path>) -> String {
    let mut command = home.rustygpt(&["serve", "--port", "0"]);
    if let Some(program) = program {
        let mut other = std::process::Command::new(program);
        other.args(["serve", "--port", "0"]).env_clear();
        other.env("HOME", home.path("")).current_dir(home.path(""));
        command = other;
    }
    if let Some(starter) = starter {
        command.env("RUSTYGPT_STARTER", starter);
    }
    let server = Server::start(command);
    let key = std::fs::read_to_string(home.data().join("api-key")).unwrap();
    server.ask("GET", "/v1/models", key.trim(), "").1
}

#[test]
fn where_there_is_no_other_model_the_built_in_one_answers() {
    let home = Home::new();
    let models = models_of(&home, None, Some(&tiny_model("llama/model.gguf")));
    assert!(models.contains(r#""id":"rustygpt-starter""#), "{models}");
    let folder = home.data().join("models");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(tiny_model("qwen2/model.gguf"), folder.join("own.gguf")).unwrap();
    let models = models_of(&home, None, Some(&tiny_model("llama/model.gguf")));
    assert!(
        models.contains(r#""id":"own""#) && !models.contains("rustygpt-starter"),
        "a model of one's own takes its place: {models}"
    );
}

#[test]
fn it_is_found_where_packages_put_it() {
    let home = Home::new();
    let program = home.write("usr/bin/rustygpt", "");
    std::fs::copy(env!("CARGO_BIN_EXE_rustygpt"), &program).unwrap();
    std::fs::set_permissions(
        &program,
        std::fs::metadata(env!("CARGO_BIN_EXE_rustygpt"))
            .unwrap()
            .permissions(),
    )
    .unwrap();
    let model = std::fs::read(tiny_model("llama/model.gguf")).unwrap();
    home.write(&format!("usr/share/rustygpt/models/{FILE}"), model);
    let models = models_of(&home, Some(program), None);
    assert!(models.contains(r#""id":"rustygpt-starter""#), "{models}");
}

#[test]
fn it_can_be_asked_by_its_name() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let starter = ["--starter", model.to_str().unwrap()];
    let arguments = [
        &["run", "rustygpt-starter", "Hello", "--max-tokens", "4"],
        &starter[..],
    ]
    .concat();
    assert!(!home.run(&arguments).answer().is_empty());
    let without = ["run", "rustygpt-starter", "Hello", "--starter", "none"];
    let ran = home.run(&without);
    assert!(ran.error().contains("rustygpt pull"), "{ran:?}");
}
