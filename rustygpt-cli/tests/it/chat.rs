use crate::command::{Home, Server, tiny_model};

#[test]
fn a_conversation_with_a_model_of_this_process() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let arguments = [
        "chat",
        model.to_str().unwrap(),
        "--max-tokens",
        "12",
        "--temperature",
        "0",
    ];
    let ran = home.run_with(
        &arguments,
        b"Hello\n/help\n/clear\nHello\n/nonsense\n/exit\n",
    );
    let answers: Vec<&str> = ran
        .answer()
        .lines()
        .filter(|line| !line.is_empty())
        .collect();
    assert!(!answers.is_empty(), "{ran:?}");
    // After /clear the same question has the same answer.
    assert_eq!(
        answers[..answers.len() / 2],
        answers[answers.len() / 2..],
        "{ran:?}"
    );
    assert!(
        ran.err.contains("Ctrl-C") && ran.err.contains("/nonsense"),
        "{ran:?}"
    );
}

#[test]
fn a_conversation_attaches_to_the_server_that_runs() {
    let home = Home::new();
    let model = format!("{}=tiny", tiny_model("llama/model.gguf").display());
    let arguments = ["--max-tokens", "12", "--temperature", "0"];
    let server = Server::start(home.rustygpt(&["serve", "--port", "0", "--model", &model]));
    let attached = home.run_with(&[&["chat"], &arguments[..]].concat(), b"Hello\n");
    assert!(attached.err.contains("talking to tiny"), "{attached:?}");
    let wrong = home.run_with(&["chat", "large"], b"");
    assert!(
        wrong.error().contains("'large'") && wrong.error().contains("tiny"),
        "{wrong:?}"
    );
    assert!(server.terminate().success());
    // The same model in this process says the same.
    let path = tiny_model("llama/model.gguf");
    let local = [&["chat", path.to_str().unwrap()], &arguments[..]].concat();
    assert_eq!(
        home.run_with(&local, b"Hello\n").answer(),
        attached.answer()
    );
}

#[test]
fn without_server_and_model_it_says_how_to_get_one() {
    let ran = Home::new().run_with(&["chat", "--starter", "none"], b"Hello\n");
    assert!(ran.error().contains("rustygpt pull"), "{ran:?}");
}

#[test]
fn offline_no_other_computer_is_talked_to() {
    let home = Home::new();
    let ran = home.run_with(&["chat", "--url", "http://192.0.2.1:1", "--offline"], b"");
    assert!(ran.error().contains("offline"), "{ran:?}");
}
