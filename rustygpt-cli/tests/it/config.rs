use crate::command::Home;

#[test]
fn every_value_is_shown_with_its_place() {
    let home = Home::new();
    home.write(
        ".config/rustygpt/config.toml",
        "port = 1\nslots = 3\napi_key = \"file-secret\"",
    );
    let ran = home
        .rustygpt(&["config", "show", "--ctx", "512"])
        .env("RUSTYGPT_PORT", "2")
        .output();
    let out = String::from_utf8(ran.unwrap().stdout).unwrap();
    let line = |name: &str| {
        let is_it = |line: &&str| line.split_whitespace().next() == Some(name);
        out.lines()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {name} in {out}"))
            .to_owned()
    };
    assert!(line("port").contains(" 2 ") && line("port").ends_with("environment RUSTYGPT_PORT"));
    assert!(line("slots").contains(" 3 ") && line("slots").ends_with("config.toml"));
    assert!(line("ctx").contains(" 512 ") && line("ctx").ends_with("flag --ctx"));
    assert!(line("host").contains("127.0.0.1") && line("host").ends_with("default"));
    assert!(!out.contains("file-secret"), "secrets are hidden");
}

#[test]
fn an_unknown_setting_ends_every_command_with_the_nearest_name() {
    let home = Home::new();
    home.write(".config/rustygpt/config.toml", "prot = 80");
    for command in [
        &["config", "show"][..],
        &["serve", "--port", "0"],
        &["env", "openai"],
    ] {
        let ran = home.run(command);
        assert!(
            ran.error().contains("'prot'") && ran.error().contains("'port'"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_file_that_was_named_must_exist() {
    let home = Home::new();
    let ran = home.run(&["--config", "none.toml", "config", "show"]);
    assert!(ran.error().contains("none.toml"), "{ran:?}");
}

#[test]
fn a_wrong_flag_says_what_is_expected() {
    let ran = Home::new().run(&["serve", "--port", "many"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("0 to 65535"), "{ran:?}");
}

#[test]
fn version_help_and_completions_need_no_home() {
    let home = Home::new();
    home.write(".config/rustygpt/config.toml", "prot = 80");
    let version = home.run(&["--version"]);
    assert_eq!(
        version.answer(),
        format!("rustygpt {}\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            home.run(&["completions", shell])
                .answer()
                .contains("rustygpt")
        );
    }
    let help = home.run(&["--help"]);
    for command in [
        "serve", "chat", "run", "models", "pull", "inspect", "doctor",
    ] {
        assert!(help.answer().contains(command));
    }
    assert!(!help.out.contains("render-worker"), "hidden: {}", help.out);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::new();
    let mut child = home
        .rustygpt(&["config", "show"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn every_setting_stands_in_the_documentation() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let document = std::fs::read_to_string(format!("{root}/docs/configuration.md")).unwrap();
    let shown = Home::new().run(&["config", "show", "--json"]);
    let settings: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(shown.answer()).unwrap();
    assert!(settings.len() > 20);
    for name in settings.keys() {
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/configuration.md lacks {name}"
        );
    }
}
