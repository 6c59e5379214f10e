//! [`ModelFiles`]: an opened model whose files have been proved.

use super::mapping::Mapping;
use super::tensor::TensorInfo;
use super::{Metadata, SentenceModule, gguf_files, hugging_face};
use crate::contract::ModelError;
use indexmap::IndexMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Samples of each tensor in a [`ModelFiles::fingerprint`], and their bytes.
const SAMPLES: usize = 16;
const SAMPLE_BYTES: usize = 64;

/// An opened, proved model: one GGUF file, a set of split ones, or a Hugging Face directory.
///
/// Everything that [`ModelFiles::tensor`] finds lies inside its file, shares no byte with another
/// tensor and is as long as its type and shape say. The contents may still change or vanish while
/// they are mapped; see [`ModelFiles::is_intact`].
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    source: Source,
    tensors: IndexMap<String, TensorInfo>,
    files: Vec<Mapping>,
}

/// What the model's files say beside the weights.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each open model, and it is only borrowed"
)]
pub enum Source {
    /// The metadata of a GGUF file (of the first one, where it is split).
    Gguf(Metadata),
    /// The JSON files of a Hugging Face directory.
    HuggingFace(HuggingFaceDirectory),
}

/// The JSON files of a Hugging Face directory.
#[derive(Debug, Default)]
pub struct HuggingFaceDirectory {
    /// The directory.
    pub path: PathBuf,
    /// `config.json`; always an object.
    pub config: Value,
    /// `generation_config.json`, where there is one.
    pub generation_config: Option<Value>,
    /// `tokenizer_config.json`, where there is one.
    pub tokenizer_config: Option<Value>,
    /// `chat_template.jinja`, which goes before the template in `tokenizer_config`.
    pub chat_template: Option<String>,
    /// The modules of sentence-transformers (`modules.json`), where there are any.
    pub sentence_modules: Option<Vec<SentenceModule>>,
}

impl ModelFiles {
    /// Opens a `.gguf` file (any part of a split one), a Hugging Face directory or a directory that
    /// holds exactly one GGUF model, and proves every header.
    ///
    /// # Errors
    /// [`ModelError::Unreadable`] when the operating system refuses, [`ModelError::InvalidFile`]
    /// when a file is broken, hostile, incomplete or no model at all.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let about = std::fs::metadata(path).map_err(|source| ModelError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        if about.is_dir() {
            return hugging_face::open_directory(path);
        }
        let is_safetensors = path.extension().is_some_and(|e| e == "safetensors");
        match path.parent() {
            Some(folder) if is_safetensors && folder.join("config.json").is_file() => {
                hugging_face::open_directory(folder)
            }
            _ if is_safetensors => Err(ModelError::InvalidFile {
                path: path.to_path_buf(),
                reason: "safetensors weights need their config.json beside them; name the folder \
                         that holds both"
                    .to_owned(),
            }),
            _ => gguf_files::open(path),
        }
    }

    /// Puts together what has been proved; refuses a name that two files use.
    pub(super) fn assemble(
        path: &Path,
        source: Source,
        parts: Vec<(Mapping, Vec<TensorInfo>)>,
    ) -> Result<Self, ModelError> {
        let mut tensors = IndexMap::new();
        let mut files = Vec::with_capacity(parts.len());
        for (index, (mapping, infos)) in parts.into_iter().enumerate() {
            for mut info in infos {
                info.file = index;
                let name = info.name.clone();
                if tensors.insert(name.clone(), info).is_some() {
                    return Err(ModelError::InvalidFile {
                        path: mapping.path().to_path_buf(),
                        reason: format!("the tensor {name:?} is also in another part"),
                    });
                }
            }
            files.push(mapping);
        }
        let opened = Self {
            path: path.to_path_buf(),
            source,
            tensors,
            files,
        };
        // A header read from pages that vanished meanwhile proves nothing.
        opened.check_intact()?;
        Ok(opened)
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of all its weight files together.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.files
            .iter()
            .map(|file| file.bytes().len() as u64)
            .sum()
    }

    /// Bytes of all tensors together.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.tensors()
            .fold(0, |sum, tensor| sum.saturating_add(tensor.byte_length))
    }

    /// A digest that tells this model from every other, without reading all of it: of the headers,
    /// of when the files were last changed, and of samples of every tensor.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn fingerprint(&self) -> Result<[u8; 32], ModelError> {
        let mut hash = Sha256::new();
        if let Source::HuggingFace(directory) = &self.source {
            hash.update(directory.config.to_string());
        }
        for (index, file) in self.files.iter().enumerate() {
            let bytes = file.bytes();
            let own = self.tensors().filter(|tensor| tensor.file == index);
            let header = own.map(|tensor| tensor.offset as usize).min();
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes[..header.unwrap_or(0).min(bytes.len())]);
            let changed = std::fs::metadata(file.path()).and_then(|about| about.modified());
            if let Some(changed) = changed
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            {
                hash.update(changed.as_nanos().to_le_bytes());
            }
        }
        for tensor in self.tensors() {
            let bytes = self.bytes(tensor)?;
            let last = bytes.len().saturating_sub(SAMPLE_BYTES);
            for sample in 0..SAMPLES {
                let start = last / SAMPLES * sample;
                hash.update(&bytes[start..bytes.len().min(start + SAMPLE_BYTES)]);
            }
            hash.update(&bytes[last..]);
        }
        self.check_intact()?;
        Ok(hash.finalize().into())
    }

    /// What the files say beside the weights.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// All tensors, in file order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.tensors.values()
    }

    /// One tensor by its name in the file.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The bytes of a tensor, in the file's own layout, read from the mapped file.
    ///
    /// They begin at a multiple of the file's alignment in a GGUF file; in a safetensors file they
    /// may begin anywhere. If the file is truncated while they are read, the missing pages read as
    /// zeros and [`Self::is_intact`] turns false; nobody is killed. Check it after a step.
    ///
    /// # Errors
    /// [`ModelError::InvalidFile`] when the file was truncated since it was opened, or when `info`
    /// is of another model.
    pub fn bytes(&self, info: &TensorInfo) -> Result<&[u8], ModelError> {
        self.check_intact()?;
        self.files
            .get(info.file)
            .and_then(|mapping| {
                let start = usize::try_from(info.offset).ok()?;
                let length = usize::try_from(info.byte_length).ok()?;
                mapping.bytes().get(start..start.checked_add(length)?)
            })
            .ok_or_else(|| ModelError::InvalidFile {
                path: self.path.clone(),
                reason: format!("the tensor {:?} is not of this model", info.name),
            })
    }

    /// Says that the bytes of a tensor were read and are not needed soon: the memory that they take
    /// is given back. They may be read again all the same.
    pub fn release(&self, info: &TensorInfo) {
        let start = usize::try_from(info.offset).unwrap_or(usize::MAX);
        let length = usize::try_from(info.byte_length).unwrap_or(usize::MAX);
        if let Some(mapping) = self.files.get(info.file) {
            mapping.release(start..start.saturating_add(length));
        }
    }

    /// Whether every file is still as long as it was; false for good once one was found truncated.
    /// Costs one system call per file.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.files.iter().all(Mapping::is_intact)
    }

    /// The model's chat template of this name; `"default"` is the usual one, `"tool_use"` one that
    /// some models have beside it.
    #[must_use]
    pub fn chat_template(&self, name: &str) -> Option<&str> {
        match &self.source {
            Source::Gguf(metadata) if name == "default" => {
                metadata.string("tokenizer.chat_template")
            }
            Source::Gguf(metadata) => metadata.string(&format!("tokenizer.chat_template.{name}")),
            Source::HuggingFace(directory) => directory.chat_template(name),
        }
    }

    pub(crate) fn check_intact(&self) -> Result<(), ModelError> {
        match self.files.iter().find(|mapping| !mapping.is_intact()) {
            None => Ok(()),
            Some(lost) => Err(ModelError::InvalidFile {
                path: lost.path().to_path_buf(),
                reason: "the file was truncated or became unreadable since it was opened; load \
                         the model again once it is whole"
                    .to_owned(),
            }),
        }
    }
}

impl HuggingFaceDirectory {
    /// As [`ModelFiles::chat_template`].
    fn chat_template(&self, name: &str) -> Option<&str> {
        if let (Some(text), "default") = (&self.chat_template, name) {
            return Some(text);
        }
        match self.tokenizer_config.as_ref()?.get("chat_template")? {
            Value::String(text) if name == "default" => Some(text),
            Value::Array(named) => named
                .iter()
                .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?
                .get("template")?
                .as_str(),
            _ => None,
        }
    }
}
