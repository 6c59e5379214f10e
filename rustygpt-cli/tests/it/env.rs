use crate::command::Home;

#[test]
fn snippets_hold_the_key_that_the_server_will_use() {
    let home = Home::new();
    let openai = home.run(&["env", "openai", "--port", "4321"]);
    let key = std::fs::read_to_string(home.data().join("api-key")).unwrap();
    let key = key.trim();
    assert!(
        openai
            .answer()
            .contains("export OPENAI_BASE_URL=http://127.0.0.1:4321/v1\n")
    );
    assert!(
        openai
            .out
            .contains(&format!("export OPENAI_API_KEY={key}\n"))
    );
    let vscode = home.run(&["env", "vscode"]);
    let json: serde_json::Value = serde_json::from_str(vscode.answer()).unwrap();
    assert_eq!(json[0]["apiKey"], key);
    for client in ["copilot", "ollama"] {
        assert!(
            home.run(&["env", client]).answer().contains(key),
            "{client}"
        );
    }
}

#[test]
fn a_chosen_key_and_public_address_are_used() {
    let home = Home::new();
    let ran = home
        .rustygpt(&["env", "openai", "--api-key", "chosen-key"])
        .env("RUSTYGPT_PUBLIC_URL", "https://ai.example.org")
        .output()
        .unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert!(
        out.contains("https://ai.example.org/v1") && out.contains("chosen-key"),
        "{out}"
    );
    assert!(!home.data().exists(), "no key is made where one was chosen");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.run(&["env", "openai"]).answer();
    let file = home.data().join("api-key");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = home.run(&["env", "openai"]);
    assert!(
        ran.error().contains("api-key") && ran.error().contains("chmod 600"),
        "{ran:?}"
    );
}
