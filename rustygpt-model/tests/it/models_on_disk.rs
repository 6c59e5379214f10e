//! The registry: which models lie on disk, what they are, whether they fit.

use super::fixtures;
use super::gguf_builder::{Gguf, tiny};
use rustygpt_model::contract::ModelError;
use rustygpt_model::registry::{
    FoundModel, Home, describe, fits_in_memory, lm_studio_folders, ollama_store, scan_folder,
    scan_lm_studio, scan_ollama,
};
use rustygpt_model::weights::ModelFiles;
use std::path::Path;

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn ids(found: &[FoundModel]) -> Vec<&str> {
    found.iter().map(|model| model.id.as_str()).collect()
}

#[test]
fn the_reference_models_are_found_and_described() {
    let found = scan_folder(&fixtures::model(""));
    assert!(found.len() >= 10, "{:?}", ids(&found));
    for model in &found {
        let summary = model
            .summary
            .as_ref()
            .unwrap_or_else(|e| panic!("{}: {e}", model.id));
        assert!(!summary.architecture.is_empty(), "{}", model.path.display());
        assert!(summary.parameters > 1000 && summary.weight_bytes < model.bytes);
        assert!(summary.trained_context_length.is_some() && summary.vocabulary.is_some());
        assert!(summary.layers.is_some());
    }
    let llama = found.iter().find(|model| model.id == "llama").unwrap();
    assert_eq!(llama.path, fixtures::model("llama"));
    assert_eq!(llama.summary.as_ref().unwrap().architecture, "llama");
}

#[test]
fn both_forms_of_a_reference_model_hold_the_same_weights() {
    for case in ["llama", "qwen2", "qwen3", "phi3", "gemma3"] {
        let folder = fixtures::model(case);
        let directory = describe(&ModelFiles::open(&folder).unwrap());
        let gguf = describe(&ModelFiles::open(&folder.join("model.gguf")).unwrap());
        assert_eq!(directory.parameters, gguf.parameters, "{case}");
        assert_eq!(
            directory.trained_context_length,
            gguf.trained_context_length
        );
        assert_eq!(
            (directory.vocabulary, directory.layers),
            (gguf.vocabulary, gguf.layers)
        );
    }
}

#[test]
fn split_and_sharded_reference_models_are_one_model_each() {
    for case in ["llama-split", "llama-sharded"] {
        let folder = fixtures::model(case);
        let found = scan_folder(&folder);
        assert_eq!(found.len(), 1, "{case}: {:?}", ids(&found));
        let summary = found[0].summary.as_ref().unwrap();
        let opened = describe(&ModelFiles::open(&folder).unwrap());
        assert_eq!(summary, &opened);
    }
}

#[test]
fn a_folder_lists_models_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("ada/tiny-GGUF/tiny-F32.gguf"), tiny().bytes());
    write(&at("ada/tiny-GGUF/mmproj-tiny-F16.gguf"), tiny().bytes());
    let projector = Gguf::new()
        .text("general.architecture", "clip")
        .tensor("v", &[8]);
    write(&at("ada/tiny-GGUF/vision.gguf"), projector.bytes());
    let adapter = tiny().text("general.type", "adapter");
    write(&at("lora.gguf"), adapter.bytes());
    write(
        &at("vocabulary.gguf"),
        Gguf::new().text("general.architecture", "llama").bytes(),
    );
    write(&at("broken.gguf"), "GGUF");
    write(&at("notes.txt"), "nothing");
    write(&at("half-00002-of-00002.gguf"), tiny().bytes());
    let found = scan_folder(folder.path());
    assert_eq!(ids(&found), ["tiny-F32", "broken", "half"]);
    let tiny = found[0].summary.as_ref().unwrap();
    assert_eq!(tiny.name.as_deref(), Some("Tiny"));
    assert_eq!((tiny.parameters, tiny.quantization.as_str()), (32, "F32"));
    assert!(matches!(
        found[1].summary,
        Err(ModelError::InvalidFile { .. })
    ));
    assert_eq!(found[1].bytes, 4);
    assert!(scan_folder(&at("nowhere")).is_empty());
}

#[test]
fn the_layers_and_not_the_embeddings_say_how_a_model_is_quantised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    // Type 1 is F16, of two bytes each.
    let model = Gguf::new()
        .record("token_embd.weight", &[64], 0, 0)
        .record("blk.0.attn_q.weight", &[32], 1, 256)
        .data(320);
    write(&path, model.bytes());
    let summary = describe(&ModelFiles::open(&path).unwrap());
    assert_eq!(
        (summary.quantization.as_str(), summary.parameters),
        ("F16", 96)
    );
}

#[test]
fn lm_studio_s_folders_are_searched() {
    let home = tempfile::tempdir().unwrap();
    let folders = lm_studio_folders(home.path());
    write(&folders[0].join("ada/tiny-GGUF/tiny.gguf"), tiny().bytes());
    write(&folders[1].join("ada/old-GGUF/old.gguf"), tiny().bytes());
    let found = scan_lm_studio(&folders);
    assert_eq!(ids(&found), ["tiny", "old"]);
    assert!(found.iter().all(|model| model.home == Home::LmStudio));
}

/// Writes a manifest of Ollama that names its weights by `digest`.
fn manifest(store: &Path, name: &str, digest: &str) {
    let layers = format!(
        r#"{{"schemaVersion":2,"layers":[
            {{"mediaType":"application/vnd.ollama.image.template","digest":"sha256:00","size":1}},
            {{"mediaType":"application/vnd.ollama.image.model","digest":"{digest}","size":9}}]}}"#
    );
    write(&store.join("manifests").join(name), layers);
}

#[test]
fn ollama_s_store_is_read_by_its_manifests() {
    let home = tempfile::tempdir().unwrap();
    let store = ollama_store(home.path());
    let digits = "0123456789abcdef".repeat(4);
    let blob = store.join(format!("blobs/sha256-{digits}"));
    write(&blob, tiny().bytes());
    let digest = format!("sha256:{digits}");
    manifest(&store, "registry.ollama.ai/library/tiny/1b", &digest);
    manifest(&store, "hf.co/ada/tiny-GGUF/F32", &digest);
    let lost = format!("sha256:{}", "f".repeat(64));
    manifest(&store, "registry.ollama.ai/library/lost/latest", &lost);
    write(
        &store.join("manifests/registry.ollama.ai/library/odd/latest"),
        "{}",
    );
    let found = scan_ollama(&store);
    assert_eq!(
        ids(&found),
        [
            "hf.co/ada/tiny-GGUF:F32",
            "lost:latest",
            "odd:latest",
            "tiny:1b"
        ]
    );
    assert_eq!(found[3].path, blob);
    assert_eq!(found[3].summary.as_ref().unwrap().architecture, "llama");
    assert!(found[1].summary.is_err() && found[2].summary.is_err());
}

#[test]
fn a_digest_that_leads_elsewhere_is_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let store = ollama_store(home.path());
    write(&home.path().join("secret.gguf"), tiny().bytes());
    for digest in [
        "sha256:../../../secret.gguf",
        "../../../secret.gguf",
        "sha256:/../x",
    ] {
        manifest(&store, "registry.ollama.ai/library/evil/latest", digest);
        let found = scan_ollama(&store);
        let refused = found[0].summary.as_ref().unwrap_err().to_string();
        assert!(refused.contains("digest"), "{refused}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_is_refused_without_being_loaded() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.gguf");
    // 8 TiB that the file system keeps as one hole.
    let length = 8_u64 << 40;
    let head = Gguf::new()
        .record("t", &[length / 4], 0, 0)
        .data(32)
        .bytes();
    let file = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut &file, &head).unwrap();
    if let Err(error) = file.set_len(length + 4096) {
        println!("skipped: the file system has no files of 8 TiB: {error}");
        return;
    }
    let before = resident();
    let files = ModelFiles::open(&path).unwrap();
    let refused = fits_in_memory(files.path(), files.weight_bytes()).unwrap_err();
    let ModelError::OutOfMemory {
        needed_bytes,
        available_bytes,
        ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert!(needed_bytes >= length && available_bytes < length);
    // Other tests run in this process too; the model itself is a hundred thousand times larger.
    assert!(resident().saturating_sub(before) < (64 << 10) + (512 << 10));
}

#[test]
fn a_small_model_fits() {
    let path = fixtures::model("llama");
    let fit = fits_in_memory(&path, 1 << 20).unwrap();
    assert_eq!(fit.needed_bytes, 1 << 20);
    assert!(fits_in_memory(&path, u64::MAX).is_err() || fit.available_bytes.is_none());
}
