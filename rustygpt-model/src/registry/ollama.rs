//! Finds models in Ollama's store: manifests by name, weights in blobs by digest.

use super::find::{FoundModel, Home, look_at};
use crate::contract::ModelError;
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A manifest lists some ten layers.
const LONGEST_MANIFEST: u64 = 1 << 20;

/// Where Ollama keeps models below a person's home directory, unless `OLLAMA_MODELS` says otherwise.
#[must_use]
pub fn ollama_store(home: &Path) -> PathBuf {
    home.join(".ollama/models")
}

/// All models of a store (the folder that holds `manifests` and `blobs`), sorted by name. A store
/// that does not exist or cannot be read holds none.
#[must_use]
pub fn scan_ollama(store: &Path) -> Vec<FoundModel> {
    let root = store.join("manifests");
    // host / namespace / model / tag
    let mut manifests = vec![Vec::new()];
    for _ in 0..4 {
        manifests = manifests
            .iter()
            .flat_map(|names| below(&root, names))
            .collect();
    }
    let found = manifests
        .iter()
        .filter_map(|names| look_at_manifest(store, &root.join(names.join("/")), id(names)));
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// The entries of a folder below `root`, each as its whole list of names.
fn below(root: &Path, names: &[String]) -> Vec<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(root.join(names.join("/"))) else {
        return Vec::new();
    };
    let entries = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let entries = entries.filter(|name| !name.starts_with('.'));
    entries.map(|name| [names, &[name]].concat()).collect()
}

/// The name under which Ollama lists a model.
fn id(names: &[String]) -> String {
    match names {
        [host, namespace, model, tag] => match (host.as_str(), namespace.as_str()) {
            ("registry.ollama.ai", "library") => format!("{model}:{tag}"),
            ("registry.ollama.ai", _) => format!("{namespace}/{model}:{tag}"),
            _ => format!("{host}/{namespace}/{model}:{tag}"),
        },
        _ => names.join("/"),
    }
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

fn look_at_manifest(store: &Path, path: &Path, id: String) -> Option<FoundModel> {
    match weights_of(store, path) {
        Ok(blob) => look_at(&blob, id, Home::Ollama),
        Err(error) => Some(FoundModel {
            id,
            path: path.to_path_buf(),
            home: Home::Ollama,
            bytes: 0,
            summary: Err(error),
        }),
    }
}

/// The blob that holds the weights which a manifest names.
fn weights_of(store: &Path, path: &Path) -> Result<PathBuf, ModelError> {
    let invalid = |reason: &str| ModelError::InvalidFile {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    };
    if !path.is_file() {
        return Err(invalid("not a regular file"));
    }
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_MANIFEST).read_to_end(&mut text))
        .map_err(|source| ModelError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| invalid("not a manifest of Ollama"))?;
    let is_adapter = |layer: &Layer| layer.media_type == "application/vnd.ollama.image.adapter";
    if manifest.layers.iter().any(is_adapter) {
        return Err(invalid(
            "the model needs an adapter (LoRA), which is not supported",
        ));
    }
    let is_weights = |layer: &&Layer| layer.media_type == "application/vnd.ollama.image.model";
    let mut weights = manifest.layers.iter().filter(is_weights);
    let (Some(layer), None) = (weights.next(), weights.next()) else {
        return Err(invalid(
            "the manifest does not name one GGUF file of weights",
        ));
    };
    let name = blob_name(&layer.digest)
        .ok_or_else(|| invalid("the manifest names its weights by something else than a digest"))?;
    Ok(store.join("blobs").join(name))
}

/// The file name of a blob. The digest becomes part of a path, so that nothing but the exact form
/// passes: Ollama itself once took `../` here (CVE-2024-37032).
fn blob_name(digest: &str) -> Option<String> {
    let digits = digest.strip_prefix("sha256:")?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = digits.len() == 64 && digits.bytes().all(is_digit);
    is_digest.then(|| format!("sha256-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_digests_become_paths() {
        let digits = "0123456789abcdef".repeat(4);
        assert_eq!(
            blob_name(&format!("sha256:{digits}")),
            Some(format!("sha256-{digits}"))
        );
        for digest in [
            format!("sha256:{}", digits.to_uppercase()),
            format!("sha256:{digits}0"),
            format!("sha256:{}", &digits[1..]),
            format!("sha256-{digits}"),
            format!("sha256:../{}", &digits[3..]),
            format!("sha256:{}/../x", &digits[5..]),
            format!("../../etc/passwd{digits}"),
            String::new(),
        ] {
            assert_eq!(blob_name(&digest), None, "{digest}");
        }
    }

    #[test]
    fn names_are_those_that_ollama_lists() {
        let id = |path: &str| id(&path.split('/').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(id("registry.ollama.ai/library/llama3.2/1b"), "llama3.2:1b");
        assert_eq!(id("registry.ollama.ai/ada/tiny/latest"), "ada/tiny:latest");
        assert_eq!(id("hf.co/ada/tiny/Q4_0"), "hf.co/ada/tiny:Q4_0");
    }
}
