//! Opens a GGUF model: one file, or all parts of a split one.

use super::gguf::{Header, Split};
use super::mapping::Mapping;
use super::model_files::{ModelFiles, Source};
use crate::contract::ModelError;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Opens the model that the file at `path` is, or is a part of.
pub(super) fn open(path: &Path) -> Result<ModelFiles, ModelError> {
    let (mapping, header) = read(path)?;
    match header.split().map_err(|e| e.in_file(path))? {
        None => ModelFiles::assemble(
            path,
            Source::Gguf(header.metadata),
            vec![(mapping, header.tensors)],
        ),
        Some(split) => {
            drop((mapping, header));
            open_parts(path, split)
        }
    }
}

fn read(path: &Path) -> Result<(Mapping, Header), ModelError> {
    let mapping = Mapping::open(path)?;
    let header = Header::read(mapping.bytes()).map_err(|e| e.in_file(path))?;
    Ok((mapping, header))
}

/// Opens every part of a split model; the metadata are those of the first part.
fn open_parts(path: &Path, split: Split) -> Result<ModelFiles, ModelError> {
    let invalid = |path: &Path, reason: String| ModelError::InvalidFile {
        path: path.to_path_buf(),
        reason,
    };
    let name = PartName::parse(path)
        .filter(|name| name.count == split.count && name.number == split.number + 1)
        .ok_or_else(|| {
            let (number, count) = (split.number + 1, split.count);
            let reason = format!(
                "this is part {number} of {count} of a split model; its name must end in \
                 -{number:05}-of-{count:05}.gguf, with the other parts beside it"
            );
            invalid(path, reason)
        })?;
    let mut metadata = None;
    let mut parts = Vec::new();
    for number in 1..=split.count {
        let part = name.path_of(number);
        if !part.exists() {
            let reason = format!("part {number} of {} of this model is missing", split.count);
            return Err(invalid(&part, reason));
        }
        let (mapping, header) = read(&part)?;
        let said = header.split().map_err(|e| e.in_file(&part))?;
        if said.is_none_or(|said| said.count != split.count || said.number != number - 1) {
            let reason = format!("not part {number} of {} as its name says", split.count);
            return Err(invalid(&part, reason));
        }
        metadata.get_or_insert(header.metadata);
        parts.push((mapping, header.tensors));
    }
    let tensors: usize = parts.iter().map(|(_, tensors)| tensors.len()).sum();
    let first = name.path_of(1);
    if let Some(said) = split.tensors.filter(|&said| said != tensors as u64) {
        let reason = format!("the parts hold {tensors} tensors where {said} are said");
        return Err(invalid(&first, reason));
    }
    ModelFiles::assemble(&first, Source::Gguf(metadata.unwrap_or_default()), parts)
}

/// The GGUF models directly in a folder, sorted by name: each single file, and of each split model
/// the first part that is there. Projectors (`mmproj`) of multimodal models are no models.
pub(crate) fn models_in(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let unreadable = |source| ModelError::Unreadable {
        path: folder.to_path_buf(),
        source,
    };
    let mut files = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|e| e == "gguf") && file.is_file());
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        !name.to_ascii_lowercase().contains("mmproj")
    });
    files.sort();
    let mut seen = HashSet::new();
    files.retain(|file| {
        PartName::parse(file).is_none_or(|name| seen.insert((name.prefix, name.count)))
    });
    Ok(files)
}

/// A file name `PREFIX-00001-of-00003.gguf`, as llama.cpp's `gguf-split` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartName {
    folder: PathBuf,
    /// What stands before the number.
    pub(crate) prefix: String,
    /// Counted from 1.
    pub(crate) number: u64,
    /// How many parts there are.
    pub(crate) count: u64,
}

impl PartName {
    /// Reads a path's file name; `None` when it is not of this form.
    pub(crate) fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let digits = |text: &str| {
            let is_number = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse::<u64>().ok()).flatten()
        };
        let (number, count) = (digits(number)?, digits(count)?);
        (1..=count).contains(&number).then(|| Self {
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            prefix: prefix.to_owned(),
            number,
            count,
        })
    }

    /// The path of another part.
    pub(crate) fn path_of(&self, number: u64) -> PathBuf {
        let name = format!("{}-{number:05}-of-{:05}.gguf", self.prefix, self.count);
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_names_are_read_and_written() {
        let name = PartName::parse(Path::new("/m/big-q4-00002-of-00003.gguf")).unwrap();
        assert_eq!(
            (name.prefix.as_str(), name.number, name.count),
            ("big-q4", 2, 3)
        );
        assert_eq!(name.path_of(1), Path::new("/m/big-q4-00001-of-00003.gguf"));
        for other in [
            "big.gguf",
            "big-00004-of-00003.gguf",
            "big-00000-of-00003.gguf",
            "big-1-of-3.gguf",
            "big-+0001-of-00003.gguf",
            "00001-of-00003.gguf",
        ] {
            assert_eq!(PartName::parse(Path::new(other)), None, "{other}");
        }
    }
}
