//! Hugging Face directories on disk: single, sharded, broken.

use super::safetensors_cases::{entry, file};
use rustygpt_model::weights::{ModelFiles, Source};
use std::path::Path;

fn refusal(path: &Path) -> String {
    match ModelFiles::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

fn tensor(name: &str) -> Vec<u8> {
    file(&format!("{{{}}}", entry(name, "F32", "[2]", 0, 8)), 8)
}

/// A folder with a config and these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.json"),
        r#"{"model_type":"llama"}"#,
    )
    .unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

const INDEX: &str = "model.safetensors.index.json";

#[test]
fn a_single_file_and_its_json_are_read() {
    let folder = folder(&[
        ("model.safetensors", &tensor("w")),
        ("generation_config.json", br#"{"temperature":0.5}"#),
        ("tokenizer_config.json", br#"{"chat_template":"old"}"#),
        ("chat_template.jinja", b"new"),
    ]);
    for path in [
        folder.path().to_path_buf(),
        folder.path().join("model.safetensors"),
    ] {
        let files = ModelFiles::open(&path).unwrap();
        let Source::HuggingFace(directory) = files.source() else {
            panic!("not a directory of Hugging Face");
        };
        assert_eq!(directory.config["model_type"], "llama");
        assert_eq!(
            directory.generation_config.as_ref().unwrap()["temperature"],
            0.5
        );
        assert_eq!(files.chat_template("default"), Some("new"));
        let bytes = files.bytes(files.tensor("w").unwrap()).unwrap();
        assert_eq!(bytes, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn named_templates_are_told_apart() {
    let config = br#"{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}"#;
    let folder = folder(&[
        ("model.safetensors", &tensor("w")),
        ("tokenizer_config.json", config),
    ]);
    let files = ModelFiles::open(folder.path()).unwrap();
    assert_eq!(files.chat_template("default"), Some("d"));
    assert_eq!(files.chat_template("tool_use"), Some("t"));
    assert_eq!(files.chat_template("rag"), None);
}

#[test]
fn shards_are_read_by_the_index() {
    let index =
        br#"{"metadata":{"total_size":16},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    let both = file(
        &format!(
            "{{{},{}}}",
            entry("a", "F32", "[2]", 0, 8),
            entry("b", "F32", "[2]", 8, 16)
        ),
        16,
    );
    // The second shard holds "a" too; the index says which one counts.
    let folder = folder(&[
        (INDEX, index),
        ("1.safetensors", &tensor("a")),
        ("2.safetensors", &both),
    ]);
    let files = ModelFiles::open(folder.path()).unwrap();
    assert_eq!(files.bytes(files.tensor("a").unwrap()).unwrap()[0], 0);
    assert_eq!(files.bytes(files.tensor("b").unwrap()).unwrap()[0], 8);
    assert_eq!(files.tensors().len(), 2);
}

#[test]
fn broken_sets_of_shards_are_refused() {
    let refused = |index: &str, because: &str| {
        let folder = folder(&[(INDEX, index.as_bytes()), ("1.safetensors", &tensor("a"))]);
        let message = refusal(folder.path());
        assert!(message.contains(because), "{index}: {message}");
    };
    refused(
        r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#,
        "2.safetensors",
    );
    refused(
        r#"{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}"#,
        "lacks 1 of the 2",
    );
    refused(
        r#"{"weight_map":{"a":"../1.safetensors"}}"#,
        "outside the model's folder",
    );
    refused(
        r#"{"weight_map":{"a":"/etc/passwd"}}"#,
        "outside the model's folder",
    );
    refused(
        r#"{"weight_map":{"a":"1.safetensors","a":"1.safetensors"}}"#,
        "stands twice",
    );
    refused(r#"{"weight_map":{}}"#, "names 0 files");
    refused(r#"{"weight_map":[]}"#, "broken");
    refused("{}", "weight_map");
    refused("", "broken");
}

#[cfg(unix)]
#[test]
fn links_to_blobs_are_followed_as_the_hub_s_cache_has_them() {
    let blobs = tempfile::tempdir().unwrap();
    std::fs::write(blobs.path().join("blob"), tensor("w")).unwrap();
    let folder = folder(&[]);
    let link = folder.path().join("model.safetensors");
    std::os::unix::fs::symlink(blobs.path().join("blob"), link).unwrap();
    assert_eq!(ModelFiles::open(folder.path()).unwrap().tensors().len(), 1);
}

#[test]
fn broken_json_beside_the_weights_is_named() {
    let large = vec![b' '; 5 << 20];
    let cases: [(&[u8], &str); 4] = [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "not UTF-8"),
        (&large, "are the most"),
    ];
    for (config, because) in cases {
        let folder = folder(&[("model.safetensors", &tensor("w")), ("config.json", config)]);
        let message = refusal(folder.path());
        assert!(
            message.contains(because) && message.contains("config.json"),
            "{message}"
        );
    }
}

#[test]
fn folders_without_weights_say_what_is_missing() {
    assert!(refusal(folder(&[]).path()).contains("neither model.safetensors"));
    let weights = tempfile::tempdir().unwrap();
    let path = weights.path().join("model.safetensors");
    std::fs::write(&path, tensor("w")).unwrap();
    assert!(refusal(weights.path()).contains("no config.json"));
    assert!(refusal(&path).contains("need their config.json"));
}
