//! Opens a model in the layout of the Hugging Face Hub: `config.json` and what lies beside it.

use super::mapping::Mapping;
use super::model_files::{HuggingFaceDirectory, ModelFiles, Source};
use super::{TensorInfo, gguf_files, safetensors, sentence_modules};
use crate::contract::ModelError;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Real ones have some 10 kB; a parsed value takes up to forty times its text.
const LONGEST_CONFIG: u64 = 4 << 20;

/// Gemma's has 1.2 MB, for its thousands of added tokens.
const LONGEST_TOKENIZER_CONFIG: u64 = 16 << 20;

/// DeepSeek V3's has 9 MB, for 90 thousand tensors.
const LONGEST_INDEX: u64 = 64 << 20;

const LONGEST_TEMPLATE: u64 = 1 << 20;

/// The largest models come in some 200 shards.
const MOST_SHARDS: usize = 4096;

/// Opens the model in a directory: safetensors beside `config.json`, else the one GGUF model in it.
pub(super) fn open_directory(path: &Path) -> Result<ModelFiles, ModelError> {
    let single = path.join("model.safetensors");
    let index = path.join("model.safetensors.index.json");
    let has_safetensors = single.exists() || index.exists();
    let config = read_object(&path.join("config.json"), LONGEST_CONFIG)?;
    let config = match config {
        Some(config) if has_safetensors => config,
        config => return open_only_gguf(path, config.is_some(), has_safetensors),
    };
    let directory = HuggingFaceDirectory {
        path: path.to_path_buf(),
        config,
        generation_config: read_object(&path.join("generation_config.json"), LONGEST_CONFIG)?,
        tokenizer_config: read_object(
            &path.join("tokenizer_config.json"),
            LONGEST_TOKENIZER_CONFIG,
        )?,
        chat_template: read_text(&path.join("chat_template.jinja"), LONGEST_TEMPLATE)?,
        sentence_modules: sentence_modules::read(path)?,
    };
    let parts = match single.exists() {
        true => vec![open_shard(&single)?],
        false => open_shards(path, &index)?,
    };
    ModelFiles::assemble(path, Source::HuggingFace(directory), parts)
}

pub(super) fn invalid(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::InvalidFile {
        path: path.to_path_buf(),
        reason: reason.into(),
    }
}

/// A directory without safetensors may hold one GGUF model; more need a choice.
fn open_only_gguf(
    path: &Path,
    has_config: bool,
    has_safetensors: bool,
) -> Result<ModelFiles, ModelError> {
    match gguf_files::models_in(path)?.as_slice() {
        [only] => gguf_files::open(only),
        [] if has_config => Err(invalid(
            path,
            "there is a config.json but neither model.safetensors nor \
             model.safetensors.index.json; weights in other formats (.bin, .pth) are not read, \
             because unpickling runs code",
        )),
        [] if has_safetensors => Err(invalid(
            path,
            "there are safetensors weights but no config.json, which says what they mean",
        )),
        [] => Err(invalid(
            path,
            "no model: neither config.json nor a .gguf file lies in this folder",
        )),
        several => {
            let names = several.iter().filter_map(|file| file.file_name()?.to_str());
            let names: Vec<&str> = names.collect();
            let reason = format!("several models: name one of {}", names.join(", "));
            Err(invalid(path, reason))
        }
    }
}

fn open_shard(path: &Path) -> Result<(Mapping, Vec<TensorInfo>), ModelError> {
    let mapping = Mapping::open(path)?;
    let tensors = safetensors::read_header(mapping.bytes()).map_err(|e| e.in_file(path))?;
    Ok((mapping, tensors))
}

/// `model.safetensors.index.json`: which shard holds which tensor.
#[derive(Deserialize)]
struct Index {
    #[serde(deserialize_with = "unique_names")]
    weight_map: IndexMap<String, String>,
}

fn unique_names<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, String>, D::Error> {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = IndexMap<String, String>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object from tensor names to file names")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut names = IndexMap::new();
            while let Some((tensor, file)) = map.next_entry::<String, String>()? {
                if names.contains_key(&tensor) {
                    let message = format_args!("the tensor {tensor:?} stands twice");
                    return Err(serde::de::Error::custom(message));
                }
                names.insert(tensor, file);
            }
            Ok(names)
        }
    }
    deserializer.deserialize_map(Names)
}

/// Opens the shards that the index names and keeps of each what the index says it holds.
fn open_shards(
    folder: &Path,
    index_path: &Path,
) -> Result<Vec<(Mapping, Vec<TensorInfo>)>, ModelError> {
    let text = read_text(index_path, LONGEST_INDEX)?.unwrap_or_default();
    let index: Index =
        serde_json::from_str(&text).map_err(|e| invalid(index_path, format!("broken: {e}")))?;
    let mut shards: IndexMap<&str, usize> = IndexMap::new();
    for file in index.weight_map.values() {
        *shards.entry(file).or_default() += 1;
    }
    if shards.is_empty() || shards.len() > MOST_SHARDS {
        let reason = format!(
            "names {} files; 1 to {MOST_SHARDS} are possible",
            shards.len()
        );
        return Err(invalid(index_path, reason));
    }
    let mut parts = Vec::with_capacity(shards.len());
    for (file, wanted) in shards {
        let path = shard_path(folder, file).ok_or_else(|| {
            let reason = format!("names a file outside the model's folder: {file:?}");
            invalid(index_path, reason)
        })?;
        let (mapping, mut tensors) = open_shard(&path)?;
        tensors.retain(|tensor| {
            index
                .weight_map
                .get(&tensor.name)
                .is_some_and(|f| f == file)
        });
        if tensors.len() != wanted {
            let reason = format!(
                "lacks {} of the {wanted} tensors that {} says it holds",
                wanted - tensors.len(),
                index_path.display()
            );
            return Err(invalid(&path, reason));
        }
        parts.push((mapping, tensors));
    }
    Ok(parts)
}

/// The path of a shard, when its name stays inside the folder. The file may be a symbolic link (the
/// Hub's cache consists of them): who can place links in the folder can place files too.
fn shard_path(folder: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = |component| matches!(component, Component::Normal(_));
    let is_inside = !name.is_empty()
        && !name.contains(['\\', ':', '\0'])
        && name.ends_with(".safetensors")
        && Path::new(name).components().all(is_plain);
    is_inside.then(|| folder.join(name))
}

/// Reads a JSON file whose value is an object; `None` when there is no such file.
pub(super) fn read_object(path: &Path, longest: u64) -> Result<Option<Value>, ModelError> {
    let Some(text) = read_text(path, longest)? else {
        return Ok(None);
    };
    let value: Value =
        serde_json::from_str(&text).map_err(|e| invalid(path, format!("not JSON: {e}")))?;
    match value.is_object() {
        true => Ok(Some(value)),
        false => Err(invalid(path, "not a JSON object")),
    }
}

/// Reads a text file of a bounded length; `None` when there is no such file.
pub(super) fn read_text(path: &Path, longest: u64) -> Result<Option<String>, ModelError> {
    let unreadable = |source| ModelError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        Ok(about) if !about.is_file() => return Err(invalid(path, "not a regular file")),
        Ok(about) if about.len() > longest => {
            let reason = format!("{} bytes; {longest} are the most", about.len());
            return Err(invalid(path, reason));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(longest).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(invalid(path, "not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_stay_in_their_folder() {
        let folder = Path::new("/models/tiny");
        assert_eq!(
            shard_path(folder, "model-00001-of-00002.safetensors"),
            Some(folder.join("model-00001-of-00002.safetensors"))
        );
        for name in [
            "",
            "../x.safetensors",
            "/etc/x.safetensors",
            "a/../../x.safetensors",
            "./x.safetensors",
            "..\\x.safetensors",
            "C:x.safetensors",
            "passwd",
        ] {
            assert_eq!(shard_path(folder, name), None, "{name:?}");
        }
    }
}
