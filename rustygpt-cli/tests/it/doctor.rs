use crate::command::{Home, Ran};
use std::net::TcpListener;
use std::path::Path;

/// The names of the faults in a report.
fn faults(ran: &Ran) -> Vec<&str> {
    let name = |line: &'_ str| {
        line.split_once('[')?
            .1
            .split_once("]:")
            .map(|(name, _)| name.len())
    };
    ran.out
        .lines()
        .filter(|line| line.starts_with("error [") || line.starts_with("warning ["))
        .filter_map(|line| {
            let start = line.find('[')? + 1;
            Some(&line[start..start + name(line)?])
        })
        .collect()
}

#[test]
fn a_fresh_machine_lacks_a_model_only() {
    let home = Home::new();
    let ran = home.run(&["doctor", "--port", "0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(faults(&ran).contains(&"no-model"), "{ran:?}");
    assert!(
        ran.out.contains("rustygpt pull"),
        "the remedy is a command: {ran:?}"
    );
}

#[test]
fn a_port_in_use_is_found() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = Home::new().run(&["doctor", "--port", &port]);
    assert_eq!(ran.code, Some(1));
    assert!(
        faults(&ran).contains(&"port-in-use") && ran.out.contains(&port),
        "{ran:?}"
    );
}

#[test]
fn a_data_folder_that_cannot_be_written_is_found() {
    let home = Home::new();
    // Below a file no folder can be made, even by root.
    let file = home.write("file", "");
    let ran = home.run(&[
        Path::new("doctor"),
        Path::new("--data-dir"),
        &file.join("data"),
    ]);
    assert!(
        faults(&ran).contains(&"data-folder-not-writable"),
        "{ran:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_found() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.run(&["env", "openai"]).answer();
    let file = home.data().join("api-key");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(faults(&home.run(&["doctor"])).contains(&"key-file-unsafe"));
}

#[test]
fn a_broken_configuration_is_found_not_fatal() {
    let home = Home::new();
    home.write(".config/rustygpt/config.toml", "prot = 80");
    let ran = home.run(&["doctor"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        faults(&ran).contains(&"config-invalid") && ran.out.contains("'port'"),
        "{ran:?}"
    );
}

#[test]
fn a_public_address_without_a_key_is_found() {
    let home = Home::new();
    let arguments = ["doctor", "--host", "0.0.0.0", "--port", "0"];
    assert!(faults(&home.run(&arguments)).contains(&"public-without-key"));
    let with_key = [&arguments[..], &["--api-key", "a-key-that-was-chosen"]].concat();
    assert!(!faults(&home.run(&with_key)).contains(&"public-without-key"));
}

#[test]
fn offline_with_a_token_a_proxy_and_a_misspelt_variable_are_found() {
    let home = Home::new();
    let output = home
        .rustygpt(&["doctor", "--offline"])
        .env("HF_TOKEN", "t0ken")
        .env("http_proxy", "http://proxy:3128")
        .env("RUSTYGPT_PROT", "80")
        .output()
        .unwrap();
    let ran = Ran::of(output);
    for name in [
        "offline-but-hub-configured",
        "proxy-in-the-way",
        "unknown-variable",
    ] {
        assert!(faults(&ran).contains(&name), "{name}: {ran:?}");
    }
    assert!(!ran.out.contains("t0ken"));
}

#[test]
fn a_certificate_that_does_not_fit_its_key_is_found() {
    let home = Home::new();
    let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = home.write("cert.pem", pair().cert.pem());
    let key = home.write("key.pem", pair().signing_key.serialize_pem());
    let arguments = [
        Path::new("doctor"),
        Path::new("--tls-cert"),
        &certificate,
        Path::new("--tls-key"),
        &key,
    ];
    let ran = home.run(&arguments);
    assert!(faults(&ran).contains(&"tls-unusable"), "{ran:?}");
    assert!(ran.out.contains("do not belong together"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn too_few_open_files_are_found() {
    let home = Home::new();
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64 && exec \"$0\" doctor",
            env!("CARGO_BIN_EXE_rustygpt"),
        ])
        .env("HOME", home.path(""))
        .output()
        .unwrap();
    assert!(faults(&Ran::of(output)).contains(&"too-few-open-files"));
}
