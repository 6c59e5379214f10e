//! [`Mapping`]: a file mapped into memory whose truncation is noticed instead of fatal.
//!
//! A page that lies past the end of a file which was truncated after mapping raises SIGBUS when it
//! is read, and that kills the process. Here one handler, installed with the first mapping, looks
//! the address up in a table of our mappings, puts zero pages in the place of what is gone, and
//! marks the mapping as lost; faults elsewhere go to whoever handled them before.

use crate::contract::ModelError;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A read-only file in memory.
#[derive(Debug)]
pub(super) struct Mapping {
    path: PathBuf,
    /// Kept open to compare the length that the file has now.
    file: File,
    contents: contents::Contents,
}

impl Mapping {
    /// Maps a regular file.
    ///
    /// # Errors
    /// [`ModelError::Unreadable`] when it cannot be opened or mapped; [`ModelError::InvalidFile`]
    /// when it is no regular file.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Unreadable {
            path: path.to_path_buf(),
            source,
        };
        // Looked at first: opening a pipe would wait for its other end.
        let is_file = |about: &std::fs::Metadata| match about.is_file() {
            true => Ok(()),
            false => Err(ModelError::InvalidFile {
                path: path.to_path_buf(),
                reason: "not a regular file".to_owned(),
            }),
        };
        is_file(&std::fs::metadata(path).map_err(unreadable)?)?;
        let file = File::open(path).map_err(unreadable)?;
        is_file(&file.metadata().map_err(unreadable)?)?;
        let contents = contents::Contents::read(&file).map_err(unreadable)?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            contents,
        })
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's bytes, as many as it had when it was mapped.
    pub(super) fn bytes(&self) -> &[u8] {
        self.contents.bytes()
    }

    /// Says that a range of bytes is not needed soon, so that its pages do not count as ours.
    pub(super) fn release(&self, range: Range<usize>) {
        self.contents.release(range);
    }

    /// Whether the file is still at least as long as it was mapped and no page was missing. A
    /// truncation inside the last page raises no fault, so the length is compared too.
    pub(super) fn is_intact(&self) -> bool {
        let is_long_enough = |about: std::fs::Metadata| about.len() >= self.bytes().len() as u64;
        !self.contents.is_lost() && self.file.metadata().is_ok_and(is_long_enough)
    }
}

#[cfg(unix)]
#[path = "mapping_unix.rs"]
mod contents;

#[cfg(not(unix))]
mod contents {
    use std::fs::File;
    use std::io::Read;
    use std::ops::Range;

    /// Where truncation cannot be caught, the file is read.
    #[derive(Debug)]
    pub(super) struct Contents(Vec<u8>);

    impl Contents {
        pub(super) fn read(mut file: &File) -> std::io::Result<Self> {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Self(bytes))
        }

        pub(super) fn bytes(&self) -> &[u8] {
            &self.0
        }

        /// What was read stays.
        pub(super) fn release(&self, _range: Range<usize>) {}

        pub(super) fn is_lost(&self) -> bool {
            false
        }
    }
}
