//! Finds models in folders: GGUF files (split ones once) and Hugging Face directories.

use super::describe::{Summary, describe};
use crate::contract::ModelError;
use crate::weights::{ModelFiles, PartName, Source, models_in};
use std::path::{Path, PathBuf};

/// Publisher, repository, quantisation, and one to spare.
const DEEPEST_FOLDER: usize = 4;

/// A folder with more sub-folders than this is not a folder of models.
const MOST_FOLDERS: usize = 10_000;

/// Whose folder a model was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Our own models folder.
    Own,
    /// Ollama's store.
    Ollama,
    /// LM Studio's folders.
    LmStudio,
}

impl Home {
    /// The name people know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "RustyGPT",
            Self::Ollama => "Ollama",
            Self::LmStudio => "LM Studio",
        }
    }
}

/// A model that lies on disk.
#[derive(Debug)]
pub struct FoundModel {
    /// File stem, folder name, or Ollama's name with its tag.
    pub id: String,
    /// What [`ModelFiles::open`] takes.
    pub path: PathBuf,
    /// Whose folder it was found in.
    pub home: Home,
    /// Bytes of its weight files on disk.
    pub bytes: u64,
    /// What its headers say, or why they cannot be read.
    pub summary: Result<Summary, ModelError>,
}

/// All models in a folder and the folders in it, sorted by path. A folder that does not exist or
/// cannot be read holds none.
#[must_use]
pub fn scan_folder(folder: &Path) -> Vec<FoundModel> {
    scan(folder, Home::Own)
}

/// All models in the folders of LM Studio.
#[must_use]
pub fn scan_lm_studio(folders: &[PathBuf]) -> Vec<FoundModel> {
    let found = folders
        .iter()
        .flat_map(|folder| scan(folder, Home::LmStudio));
    found.collect()
}

/// Where LM Studio keeps models below a person's home directory, today and before 2025.
#[must_use]
pub fn lm_studio_folders(home: &Path) -> Vec<PathBuf> {
    vec![
        home.join(".lmstudio/models"),
        home.join(".cache/lm-studio/models"),
    ]
}

fn scan(folder: &Path, home: Home) -> Vec<FoundModel> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), 0)];
    let mut visited = 0;
    while let Some((folder, depth)) = folders.pop() {
        visited += 1;
        if visited > MOST_FOLDERS {
            tracing::warn!(folder = %folder.display(), "too many folders; the rest is not searched");
            break;
        }
        if is_hugging_face(&folder) {
            found.extend(look_at(&folder, file_name(&folder), home));
        }
        for file in models_in(&folder).unwrap_or_default() {
            found.extend(look_at(&file, gguf_id(&file), home));
        }
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        if depth < DEEPEST_FOLDER {
            let below = entries.flatten().map(|entry| entry.path());
            folders.extend(
                below
                    .filter(|path| path.is_dir())
                    .map(|path| (path, depth + 1)),
            );
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Opens what was found; `None` when it is a file of another kind (a projector, an adapter, a
/// vocabulary alone).
pub(super) fn look_at(path: &Path, id: String, home: Home) -> Option<FoundModel> {
    let found = |bytes, summary| FoundModel {
        id,
        path: path.to_path_buf(),
        home,
        bytes,
        summary,
    };
    match ModelFiles::open(path) {
        Ok(files) if !is_model(&files) => None,
        Ok(files) => Some(found(files.file_bytes(), Ok(describe(&files)))),
        Err(error) => {
            let bytes = std::fs::metadata(path).map_or(0, |about| about.len());
            Some(found(bytes, Err(error)))
        }
    }
}

fn is_model(files: &ModelFiles) -> bool {
    let is_other = match files.source() {
        Source::Gguf(metadata) => {
            metadata.string("general.architecture") == Some("clip")
                || metadata
                    .string("general.type")
                    .is_some_and(|kind| kind != "model")
        }
        Source::HuggingFace(_) => false,
    };
    !is_other && files.tensors().len() > 0
}

fn is_hugging_face(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has("config.json") && (has("model.safetensors") || has("model.safetensors.index.json"))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The file's stem, without the numbers of a split one.
fn gguf_id(path: &Path) -> String {
    match PartName::parse(path) {
        Some(name) => name.prefix,
        None => path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    }
}
