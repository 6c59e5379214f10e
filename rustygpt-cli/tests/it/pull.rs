use crate::command::{Home, Ran};
use crate::hub::{Act, FakeHub};
use serde_json::json;
use sha2::{Digest, Sha256};

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn bytes() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i * 7919 % 251) as u8).collect()
}

fn whole() -> Act {
    Act::File {
        bytes: bytes(),
        etag: "\"v1\"",
        break_after: None,
    }
}

/// A hub with the repository `org/name` of one file, whose digest is `sha256`.
fn hub_with_repository(path: &str, sha256: &str) -> FakeHub {
    let hub = FakeHub::start();
    let size = bytes().len();
    let listing = json!([
        { "type": "directory", "path": "a", "size": 0 },
        { "type": "file", "path": "README.md", "size": 3 },
        { "type": "file", "path": path, "size": size, "lfs": { "oid": sha256, "size": size } },
    ]);
    hub.on("/api/models/org/name/tree/main", Act::Json(listing));
    hub.on(&format!("/org/name/resolve/main/{path}"), whole());
    hub
}

fn pull(home: &Home, hub: &FakeHub, arguments: &[&str]) -> Ran {
    let arguments = [&["pull"], arguments].concat();
    let mut command = home.rustygpt(&arguments);
    command
        .env("HF_ENDPOINT", hub.url(""))
        .env("HF_TOKEN", "t0ken");
    Ran::of(command.output().unwrap())
}

#[test]
fn a_repository_arrives_proved_under_the_models_folder() {
    let hub = hub_with_repository("m-q4_k_m.gguf", &digest(&bytes()));
    let home = Home::new();
    let ran = pull(&home, &hub, &["org/name:Q4_K_M"]);
    let path = home.data().join("models/org/name/m-q4_k_m.gguf");
    assert_eq!(ran.answer(), format!("{}\n", path.display()));
    assert_eq!(std::fs::read(&path).unwrap(), bytes());
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "nothing else stays"
    );
    let before = hub.seen().len();
    pull(&home, &hub, &["org/name"]).answer();
    assert_eq!(
        hub.seen().len(),
        before + 1,
        "what is here is not fetched again"
    );
}

#[test]
fn a_damaged_file_is_deleted() {
    let hub = hub_with_repository("m-q4_k_m.gguf", &digest(b"something else"));
    let home = Home::new();
    let ran = pull(&home, &hub, &["org/name"]);
    assert!(ran.error().contains("SHA-256"), "{ran:?}");
    let folder = home.data().join("models/org/name");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_stopped() {
    let hub = hub_with_repository("m-q4_k_m.gguf", &digest(&bytes()));
    let breaking = Act::File {
        bytes: bytes(),
        etag: "\"v1\"",
        break_after: Some(100_000),
    };
    hub.on("/org/name/resolve/main/m-q4_k_m.gguf", breaking);
    let home = Home::new();
    pull(&home, &hub, &["org/name"]).answer();
    let last = hub.seen().pop().unwrap();
    assert_eq!(last.range.as_deref(), Some("bytes=100000-"));
    assert_eq!(last.if_range.as_deref(), Some("\"v1\""));
    let path = home.data().join("models/org/name/m-q4_k_m.gguf");
    assert_eq!(std::fs::read(path).unwrap(), bytes());
}

/// A home where an earlier run left `part` of the file at `url`, which then had the ETag "v1".
fn home_with_part(url: &str, part: &[u8]) -> Home {
    let home = Home::new();
    home.write(".local/share/rustygpt/models/m.gguf.part", part);
    let state = json!({ "url": url, "validator": "\"v1\"", "sha256": null });
    home.write(
        ".local/share/rustygpt/models/m.gguf.part.json",
        state.to_string(),
    );
    home
}

#[test]
fn another_run_goes_on_where_the_first_stopped() {
    let hub = FakeHub::start();
    let url = hub.url("/files/m.gguf");
    hub.on("/files/m.gguf", whole());
    let home = home_with_part(&url, &bytes()[..100_000]);
    pull(&home, &hub, &[&url]).answer();
    assert_eq!(
        hub.seen().pop().unwrap().range.as_deref(),
        Some("bytes=100000-")
    );
    assert_eq!(
        std::fs::read(home.data().join("models/m.gguf")).unwrap(),
        bytes()
    );
}

#[test]
fn two_versions_of_a_file_are_never_mixed() {
    let hub = FakeHub::start();
    let url = hub.url("/files/m.gguf");
    let old = vec![b'x'; 100_000];
    hub.on(
        "/files/m.gguf",
        Act::File {
            bytes: bytes(),
            etag: "\"v2\"",
            break_after: None,
        },
    );
    let home = home_with_part(&url, &old);
    pull(&home, &hub, &[&url]).answer();
    assert_eq!(
        std::fs::read(home.data().join("models/m.gguf")).unwrap(),
        bytes()
    );
    // A part that was begun without the digest that is asked for now is not trusted either.
    let home = home_with_part(&url, &old);
    pull(&home, &hub, &[&url, "--sha256", &digest(&bytes())]).answer();
    assert_eq!(hub.seen().pop().unwrap().range, None);
    assert_eq!(
        std::fs::read(home.data().join("models/m.gguf")).unwrap(),
        bytes()
    );
}

#[test]
fn the_token_never_crosses_to_another_host() {
    let hub = hub_with_repository("m-q4_k_m.gguf", &digest(&bytes()));
    let store = FakeHub::start();
    store.on("/blob", whole());
    let redirect = Act::Redirect {
        to: store.url("/blob"),
        linked_etag: None,
    };
    hub.on("/org/name/resolve/main/m-q4_k_m.gguf", redirect);
    pull(&Home::new(), &hub, &["org/name"]).answer();
    let shown = |seen: Vec<crate::hub::Seen>| {
        seen.into_iter()
            .map(|seen| seen.authorization)
            .collect::<Vec<_>>()
    };
    let token = Some("Bearer t0ken".to_owned());
    assert_eq!(shown(hub.seen()), [token.clone(), token]);
    assert_eq!(shown(store.seen()), [None]);
}

#[test]
fn the_digest_is_also_read_from_the_redirect() {
    let hub = FakeHub::start();
    hub.on("/blob", whole());
    let redirect = |tag: String| Act::Redirect {
        to: hub.url("/blob"),
        linked_etag: Some(tag),
    };
    hub.on("/m.gguf", redirect(digest(b"something else")));
    let ran = pull(&Home::new(), &hub, &[&hub.url("/m.gguf")]);
    assert!(ran.error().contains("SHA-256"), "{ran:?}");
    hub.on("/m.gguf", redirect(digest(&bytes())));
    let ran = pull(&Home::new(), &hub, &[&hub.url("/m.gguf")]);
    ran.answer();
    assert!(ran.err.contains("digest is right"), "{ran:?}");
    // An address is not Hugging Face: it is never shown the token.
    assert!(hub.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    for path in [
        "../../m-q4_k_m.gguf",
        "/tmp/m-q4_k_m.gguf",
        ".config/m-q4_k_m.gguf",
    ] {
        let hub = hub_with_repository(path, &digest(&bytes()));
        let ran = pull(&Home::new(), &hub, &["org/name"]);
        assert!(ran.error().contains("not one we write to"), "{ran:?}");
        assert_eq!(hub.seen().len(), 1, "nothing is fetched");
    }
}

#[test]
fn a_file_larger_than_the_disk_is_refused_before_it_is_fetched() {
    let hub = FakeHub::start();
    let file = json!({ "type": "file", "path": "m-q4_k_m.gguf", "size": 1_u64 << 60 });
    hub.on("/api/models/org/name/tree/main", Act::Json(json!([file])));
    let ran = pull(&Home::new(), &hub, &["org/name"]);
    assert!(
        ran.error().contains("free") && ran.error().contains("are needed"),
        "{ran:?}"
    );
    assert_eq!(hub.seen().len(), 1, "nothing is fetched");
}

#[test]
fn refusals_say_what_to_do() {
    let hub = hub_with_repository("m-q4_k_m.gguf", &digest(&bytes()));
    let home = Home::new();
    let offline = pull(&home, &hub, &["org/name", "--offline"]);
    assert!(offline.error().contains("offline"), "{offline:?}");
    let absent = pull(&home, &hub, &["org/absent"]);
    assert!(absent.error().contains("HF_TOKEN"), "{absent:?}");
    let variant = pull(&home, &hub, &["org/name:Q8_0"]);
    assert!(variant.error().contains("m-q4_k_m"), "{variant:?}");
    hub.on("/org/name/resolve/main/m-q4_k_m.gguf", Act::Status(403));
    let gated = pull(&home, &hub, &["org/name"]);
    assert!(gated.error().contains("HF_TOKEN"), "{gated:?}");
    assert!(!format!("{offline:?}{absent:?}{variant:?}{gated:?}").contains("t0ken"));
}
