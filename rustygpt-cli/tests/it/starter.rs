use crate::command::{Home, Server, tiny_model};
use std::fs;
use std::path::Path;
use std::process::Command;

const FILE: &str = "rustygpt-starter-q8_0.gguf";
const SERVE: [&str; 3] = ["serve", "--port", "0"];

/// What a server says before it listens, and what it lists.
fn served(home: &Home, command: Command) -> (String, String) {
    let said = home.path("said");
    let server = Server::start_with_errors_to(command, fs::File::create(&said).unwrap());
    let key = fs::read_to_string(home.data().join("api-key")).unwrap();
    let models = server.ask("GET", "/v1/models", key.trim(), "").1;
    (fs::read_to_string(said).unwrap(), models)
}

/// The server with a tiny model in the starter's place.
fn with_starter(home: &Home) -> Command {
    let mut command = home.rustygpt(&SERVE);
    command.env("RUSTYGPT_STARTER", tiny_model("llama/model.gguf"));
    command
}

#[test]
fn where_there_is_no_other_model_the_built_in_one_answers_and_says_what_it_is() {
    let home = Home::new();
    let (said, models) = served(&home, with_starter(&home));
    assert!(models.contains(r#""id":"rustygpt-starter""#), "{models}");
    assert!(
        said.contains("the small built-in model") && said.contains("rustygpt pull Qwen/"),
        "{said}"
    );
}

#[test]
fn a_model_of_ones_own_takes_its_place() {
    let home = Home::new();
    let folder = home.data().join("models");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(tiny_model("qwen2/model.gguf"), folder.join("own.gguf")).unwrap();
    let (said, models) = served(&home, with_starter(&home));
    assert!(
        models.contains(r#""id":"own""#) && !models.contains("rustygpt-starter"),
        "{models}"
    );
    assert!(!said.contains("built-in"), "{said}");
}

#[test]
fn a_broken_built_in_model_does_not_keep_the_server_from_starting() {
    let home = Home::new();
    let mut command = home.rustygpt(&SERVE);
    command.env("RUSTYGPT_STARTER", home.write("bad.gguf", "GGUF, or so"));
    let (said, models) = served(&home, command);
    assert!(models.contains(r#""data":[]"#), "{models}");
    assert!(said.contains("bad.gguf"), "{said}");
}

#[test]
fn it_is_found_where_packages_put_it() {
    let home = Home::new();
    let program = home.write("usr/bin/rustygpt", "");
    // A copy takes the permissions along.
    fs::copy(env!("CARGO_BIN_EXE_rustygpt"), &program).unwrap();
    let model = fs::read(tiny_model("llama/model.gguf")).unwrap();
    home.write(&format!("usr/share/rustygpt/models/{FILE}"), model);
    let mut command = Command::new(program);
    command.args(SERVE).env_clear();
    command
        .env("HOME", home.path(""))
        .current_dir(home.path(""));
    let (_, models) = served(&home, command);
    assert!(models.contains(r#""id":"rustygpt-starter""#), "{models}");
}

#[test]
fn in_the_models_folder_it_keeps_its_name() {
    let home = Home::new();
    let folder = home.data().join("models");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(tiny_model("llama/model.gguf"), folder.join(FILE)).unwrap();
    let (said, models) = served(&home, home.rustygpt(&SERVE));
    assert!(models.contains(r#""id":"rustygpt-starter""#), "{models}");
    assert!(said.contains("the small built-in model"), "{said}");
}

#[test]
fn it_can_be_asked_by_its_name() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let asked = ["run", "rustygpt-starter", "Hello", "--max-tokens", "4"];
    let with = ["--starter", model.to_str().unwrap()];
    assert!(
        !home
            .run(&[&asked[..], &with[..]].concat())
            .answer()
            .is_empty()
    );
    let ran = home.run(&[&asked[..], &["--starter", "none"]].concat());
    assert!(ran.error().contains("rustygpt pull"), "{ran:?}");
}

#[test]
fn the_one_that_ships_answers_what_it_knows() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../models/starter")
        .join(FILE);
    let asked = |question: &str| {
        let options = ["--temperature", "0", "--starter", model.to_str().unwrap()];
        let question = ["run", "rustygpt-starter", question];
        let ran = Home::new().run(&[&question[..], &options[..]].concat());
        ran.answer().to_owned()
    };
    let answer = asked("How do I make river water safe to drink?");
    assert!(answer.contains("boil"), "{answer}");
    let answer = asked("Who won the world cup in 1974?");
    assert!(answer.contains("rustygpt pull"), "{answer}");
}
