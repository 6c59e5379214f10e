//! Blocks of a cache in a file, so that what was read survives the process.
//!
//! The file: a header that names the model and the layout of its blocks, the blocks with their
//! names, the longest unused first, and a SHA-256 over all of it. The names are hashes of a tenant's
//! salt and of the text ([`BlockKey`]), so neither stands in the file; keys and values do, which
//! tell of the text to who tries hard. Only the owner may read or write such a file, and one that
//! others could have written is not believed.
//!
//! A file is taken as a whole or not at all. A wrong, damaged or cut one costs a cold start.

use super::BlockKey;
use crate::contract::{BlockId, BlockLayout};
use rustygpt_utils::paths;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// What the file is, and the version of this format.
const MAGIC: &[u8; 16] = b"RustyGPT texts 1";
const NAME_BYTES: usize = 32;
/// The magic, the names of model and layout, the size and the number of blocks.
const HEADER_BYTES: usize = MAGIC.len() + 2 * NAME_BYTES + 2 * size_of::<u64>();

/// Which blocks a file must hold to be of any use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names the weights.
    pub model: [u8; NAME_BYTES],
    /// What the blocks look like.
    pub layout: BlockLayout,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The operating system refuses.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is no file, or not the owner's alone.
    #[error("it is not a file that its owner alone may read and write")]
    NotPrivate,
    /// Another model, other sizes, another processor or program.
    #[error("it was written for another model, another processor or by another version")]
    Foreign,
    /// Cut or changed.
    #[error("it is damaged")]
    Damaged,
}

impl Identity {
    /// Bytes that a block takes in the file.
    #[must_use]
    pub fn entry_bytes(&self) -> u64 {
        (NAME_BYTES + self.layout.bytes) as u64
    }

    fn header(&self, count: u64) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let bytes = (self.layout.bytes as u64).to_le_bytes();
        let parts: [&[u8]; 5] = [
            MAGIC,
            &self.model,
            &self.layout.name,
            &bytes,
            &count.to_le_bytes(),
        ];
        for (to, from) in header.iter_mut().zip(parts.concat()) {
            *to = from;
        }
        header
    }

    /// Bytes of a file of so many blocks.
    fn file_bytes(&self, count: u64) -> Option<u64> {
        let blocks = self.entry_bytes().checked_mul(count)?;
        blocks.checked_add((HEADER_BYTES + NAME_BYTES) as u64)
    }
}

/// Writes blocks, the longest unused first, whole or not at all, replacing the file that was there.
/// `read` appends what a block holds.
///
/// # Errors
/// The operating system's, and those of `read`; the file is then what it was.
pub fn save(
    path: &Path,
    identity: &Identity,
    blocks: &[(BlockKey, BlockId)],
    mut read: impl FnMut(BlockId, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    // Not waiting for the disk: what is lost with the machine's power shows in the digest.
    paths::replace_private(path, |file| {
        let mut hash = Sha256::new();
        let mut write = |bytes: &[u8]| {
            hash.update(bytes);
            file.write_all(bytes)
        };
        write(&identity.header(blocks.len() as u64))?;
        let mut entry = Vec::new();
        for (key, block) in blocks {
            entry.clear();
            entry.extend(key.bytes());
            read(*block, &mut entry)?;
            if entry.len() as u64 != identity.entry_bytes() {
                return Err(io::Error::other("a block is not of its layout"));
            }
            write(&entry)?;
        }
        file.write_all(&hash.finalize())
    })
}

/// Reads a file's blocks, of more than `most` the last ones, and gives each to `place`. They may be
/// used only once this has returned how many there were; 0 if there is no file.
///
/// # Errors
/// [`SavedError`]: what `place` was given means nothing.
pub fn load(
    path: &Path,
    identity: &Identity,
    most: usize,
    mut place: impl FnMut(BlockKey, &[u8]),
) -> Result<usize, SavedError> {
    let Some(mut file) = open(path)? else {
        return Ok(0);
    };
    let mut hash = Sha256::new();
    let mut header = [0; HEADER_BYTES];
    read_exact(&mut file, &mut header)?;
    hash.update(header);
    let (_, count) = header.split_last_chunk().ok_or(SavedError::Damaged)?;
    let count = u64::from_le_bytes(*count);
    if header != identity.header(count) {
        return Err(SavedError::Foreign);
    }
    if identity.file_bytes(count) != Some(file.metadata()?.len()) {
        return Err(SavedError::Damaged);
    }
    let first = count.saturating_sub(most as u64);
    let mut entry = vec![0; NAME_BYTES + identity.layout.bytes];
    for index in 0..count {
        read_exact(&mut file, &mut entry)?;
        hash.update(&entry);
        if let (Some((name, block)), true) = (entry.split_first_chunk(), index >= first) {
            place(BlockKey::from_bytes(*name), block);
        }
    }
    let mut digest = [0; NAME_BYTES];
    read_exact(&mut file, &mut digest)?;
    match hash.finalize()[..] == digest {
        true => Ok((count - first) as usize),
        false => Err(SavedError::Damaged),
    }
}

fn read_exact(file: &mut File, bytes: &mut [u8]) -> Result<(), SavedError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SavedError::Damaged,
        _ => SavedError::Unreadable(error),
    })
}

fn open(path: &Path) -> Result<Option<File>, SavedError> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    #[cfg(unix)]
    let is_private = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 == 0;
    #[cfg(not(unix))]
    let is_private = true;
    match about.is_file() && is_private {
        true => Ok(Some(File::open(path)?)),
        false => Err(SavedError::NotPrivate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::CacheSalt;
    use proptest::prelude::*;
    use std::path::PathBuf;

    const IDENTITY: Identity = Identity {
        model: [7; 32],
        layout: BlockLayout {
            bytes: 24,
            name: [9; 32],
        },
    };

    fn blocks(count: u32) -> Vec<(BlockKey, BlockId)> {
        let root = BlockKey::root(&CacheSalt::default());
        let block = |number| (root.followed_by(&[number], 0), BlockId(number));
        (0..count).map(block).collect()
    }

    fn content(block: BlockId) -> [u8; 24] {
        [block.0 as u8 ^ 0x55; 24]
    }

    fn saved(folder: &Path, count: u32) -> PathBuf {
        let path = folder.join("texts");
        save(&path, &IDENTITY, &blocks(count), |block, bytes| {
            bytes.extend(content(block));
            Ok(())
        })
        .unwrap();
        path
    }

    fn loaded(
        path: &Path,
        identity: &Identity,
        most: usize,
    ) -> Result<Vec<(BlockKey, Vec<u8>)>, SavedError> {
        let mut found = Vec::new();
        let count = load(path, identity, most, |key, bytes| {
            found.push((key, bytes.to_vec()));
        })?;
        assert_eq!(count, found.len());
        Ok(found)
    }

    #[test]
    fn what_was_saved_is_loaded_the_latest_if_not_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 9);
        for most in [0, 4, 9, 100] {
            let found = loaded(&path, &IDENTITY, most).unwrap();
            let expected: Vec<_> = blocks(9)
                .into_iter()
                .map(|(key, block)| (key, content(block).to_vec()))
                .skip(9_usize.saturating_sub(most))
                .collect();
            assert_eq!(found, expected, "{most}");
        }
        let none = loaded(&folder.path().join("none"), &IDENTITY, 9).unwrap();
        assert_eq!(none, []);
    }

    #[test]
    fn another_models_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 2);
        let mut others = [IDENTITY; 3];
        others[0].model[31] ^= 1;
        others[1].layout.name[0] ^= 1;
        others[2].layout.bytes = 25;
        for other in others {
            let outcome = loaded(&path, &other, 9);
            assert!(matches!(outcome, Err(SavedError::Foreign)), "{outcome:?}");
        }
    }

    #[test]
    fn an_abandoned_file_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 2);
        let stops = |block: BlockId, bytes: &mut Vec<u8>| match block.0 {
            0 => {
                bytes.extend(content(block));
                Ok(())
            }
            _ => Err(io::ErrorKind::Interrupted.into()),
        };
        assert!(save(&path, &IDENTITY, &blocks(5), stops).is_err());
        assert_eq!(loaded(&path, &IDENTITY, 9).unwrap().len(), 2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_touch_and_what_is_no_file_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 2);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
        for refused in [&*path, folder.path()] {
            let outcome = loaded(refused, &IDENTITY, 9);
            assert!(
                matches!(outcome, Err(SavedError::NotPrivate)),
                "{outcome:?}"
            );
        }
    }

    proptest! {
        /// Cut, lengthened or with one bit changed: never what was not saved.
        #[test]
        fn a_damaged_file_is_refused(place in any::<prop::sample::Index>(), bit in 0..10u8) {
            let folder = tempfile::tempdir().unwrap();
            let path = saved(folder.path(), 3);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = place.index(bytes.len());
            match bit {
                8 => bytes.truncate(at),
                9 => bytes.insert(at, 0),
                bit => bytes[at] ^= 1 << bit,
            }
            paths::write_private(&path, &bytes).unwrap();
            prop_assert!(loaded(&path, &IDENTITY, 9).is_err());
        }
    }
}
