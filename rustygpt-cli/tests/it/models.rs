use crate::command::{Home, tiny_model};
use serde_json::{Value, json};
use std::fs;

/// A home with a model of our own, one of LM Studio's and one of Ollama's.
fn furnished() -> Home {
    let home = Home::new();
    let llama = tiny_model("llama/model.gguf");
    for folder in [".local/share/rustygpt/models", ".lmstudio/models/org/name"] {
        fs::create_dir_all(home.path(folder)).unwrap();
    }
    fs::copy(&llama, home.path(".local/share/rustygpt/models/ours.gguf")).unwrap();
    fs::copy(&llama, home.path(".lmstudio/models/org/name/studio.gguf")).unwrap();
    let digest = "sha256-0000000000000000000000000000000000000000000000000000000000000001";
    fs::create_dir_all(home.path(".ollama/models/blobs")).unwrap();
    fs::copy(&llama, home.path(".ollama/models/blobs").join(digest)).unwrap();
    let manifest = json!({ "schemaVersion": 2, "layers": [{
        "mediaType": "application/vnd.ollama.image.model",
        "digest": digest.replace('-', ":"),
        "size": fs::metadata(&llama).unwrap().len(),
    }]});
    let path = ".ollama/models/manifests/registry.ollama.ai/library/theirs/latest";
    home.write(path, manifest.to_string());
    home
}

#[test]
fn the_list_has_every_program_s_models() {
    let home = furnished();
    let list: Value =
        serde_json::from_str(home.run(&["models", "list", "--json"]).answer()).unwrap();
    let found: Vec<(&str, &str)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            (
                model["id"].as_str().unwrap(),
                model["home"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].0 == "ours" && found[1].1 == "Ollama" && found[2] == ("studio", "LM Studio"));
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .all(|model| model["fits_in_memory"] == json!(true))
    );
    let text = home.run(&["models"]);
    for word in ["ours", "theirs", "studio", "llama"] {
        assert!(text.answer().contains(word), "{text:?}");
    }
}

#[test]
fn details_of_one_model() {
    let home = furnished();
    let shown: Value =
        serde_json::from_str(home.run(&["models", "show", "ours", "--json"]).answer()).unwrap();
    assert_eq!(shown["architecture"], "llama");
    assert_eq!(shown["trained_context_length"], 1024);
    assert!(
        home.run(&["models", "show", "ours"])
            .answer()
            .contains("llama")
    );
    assert!(
        home.run(&["models", "show", "none"])
            .error()
            .contains("'none'")
    );
}

#[test]
fn only_our_own_models_are_deleted_and_only_when_told() {
    let home = furnished();
    let path = home.data().join("models/ours.gguf");
    let unsure = home.run_with(&["models", "delete", "ours"], b"n\n");
    assert!(unsure.error().contains("nothing was deleted"), "{unsure:?}");
    assert!(path.exists());
    let foreign = home.run(&["models", "delete", "studio", "--yes"]);
    assert!(foreign.error().contains("LM Studio"), "{foreign:?}");
    home.run(&["models", "delete", "ours", "--yes"]).answer();
    assert!(!path.exists());
    assert!(home.path(".lmstudio/models/org/name/studio.gguf").exists());
}

#[test]
fn all_parts_of_a_split_model_go_together() {
    let home = Home::new();
    let models = home.data().join("models");
    fs::create_dir_all(&models).unwrap();
    let mut parts = 0;
    for entry in fs::read_dir(tiny_model("llama-split")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "gguf")
        {
            fs::copy(&path, models.join(path.file_name().unwrap())).unwrap();
            parts += 1;
        }
    }
    assert!(parts > 1);
    let bystander = models.join("other.gguf");
    fs::copy(tiny_model("llama/model.gguf"), &bystander).unwrap();
    let list: Value =
        serde_json::from_str(home.run(&["models", "list", "--json"]).answer()).unwrap();
    let ids: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["id"].as_str())
        .collect();
    let id = ids.iter().find(|id| **id != "other").unwrap();
    assert_eq!(ids.len(), 2, "{ids:?}");
    home.run(&["models", "delete", id, "--yes"]).answer();
    assert_eq!(fs::read_dir(&models).unwrap().count(), 1);
    assert!(bystander.exists());
}

#[test]
fn an_empty_disk_says_how_to_get_a_model() {
    let ran = Home::new().run(&["models"]);
    assert_eq!(ran.answer(), "");
    assert!(ran.err.contains("rustygpt pull"), "{ran:?}");
}

#[test]
fn a_file_is_described_without_loading_it() {
    let home = Home::new();
    let path = tiny_model("llama/model.gguf");
    let path = path.to_str().unwrap();
    let shown: Value =
        serde_json::from_str(home.run(&["inspect", path, "--json"]).answer()).unwrap();
    assert_eq!(shown["format"], "GGUF");
    assert_eq!(shown["metadata"]["general.architecture"], "llama");
    let tokens = &shown["metadata"]["tokenizer.ggml.tokens"];
    assert_eq!(tokens["length"], 272);
    assert!(
        shown["tensors"]
            .as_array()
            .unwrap()
            .iter()
            .any(|t| t["name"] == "token_embd.weight")
    );
    let text = home.run(&["inspect", path]);
    assert!(
        text.answer().contains("token_embd.weight  F32  [272, 32]"),
        "{text:?}"
    );
    let directory = tiny_model("llama");
    let text = home.run(&["inspect", directory.to_str().unwrap()]);
    assert!(text.answer().contains("Hugging Face directory"), "{text:?}");
    let bad = home.write("bad.gguf", "no");
    assert!(
        home.run(&["inspect", bad.to_str().unwrap()])
            .error()
            .contains("bad.gguf")
    );
}

#[test]
fn what_a_file_says_cannot_steer_the_terminal() {
    let home = Home::new();
    let mut bytes = fs::read(tiny_model("llama/model.gguf")).unwrap();
    let place = bytes
        .windows(12)
        .position(|window| window == b"blk.0.attn_q")
        .unwrap();
    bytes[place] = 0x1b;
    let path = home.write("odd.gguf", bytes);
    let text = home.run(&["inspect", path.to_str().unwrap()]);
    assert!(text.answer().contains("lk.0.attn_q") && !text.out.contains('\u{1b}'));
}

#[test]
fn models_say_what_they_are_for() {
    let home = Home::new();
    let folder = home.path(".local/share/rustygpt/models");
    fs::create_dir_all(&folder).unwrap();
    let embedding = tiny_model("../embedding_models/bert-mean/model.gguf");
    fs::copy(&embedding, folder.join("bert.gguf")).unwrap();
    fs::copy(tiny_model("llama/model.gguf"), folder.join("llama.gguf")).unwrap();
    let list: Value =
        serde_json::from_str(home.run(&["models", "list", "--json"]).answer()).unwrap();
    let kinds: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["kind"])
        .collect();
    assert_eq!(kinds, ["embedding", "language"]);
    let listed = home.run(&["models"]);
    let line = listed
        .answer()
        .lines()
        .find(|line| line.starts_with("bert"))
        .unwrap();
    assert!(line.ends_with("embeddings"), "{line}");
    let shown = home.run(&["inspect", embedding.to_str().unwrap()]);
    assert!(
        shown.answer().contains("embedding model, pooling: mean"),
        "{}",
        shown.answer()
    );
    let chat = home.run(&["run", embedding.to_str().unwrap(), "Hello"]);
    assert!(
        chat.error().contains("embedding model and cannot chat"),
        "{}",
        chat.error()
    );
}
