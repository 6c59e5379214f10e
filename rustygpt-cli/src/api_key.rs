//! The server's own key: 256 bits, made on first start, kept in one file that its owner alone may
//! read.

use anyhow::{Context as _, Result, bail};
use rustygpt_orchestrator::access::ApiKey;
use rustygpt_utils::paths;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads the key, or makes one if there is none yet.
///
/// # Errors
/// A folder that cannot be written, a key that others can read or that is no key.
pub(crate) fn read_or_create(path: &Path) -> Result<String> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let folder = path.parent().context("the key's file has no folder")?;
    paths::create_private_folder(folder)
        .with_context(|| format!("cannot create the data folder {}", folder.display()))?;
    let key = ApiKey::generate()?.reveal().to_owned();
    match paths::create_private(path, format!("{key}\n").as_bytes()) {
        Ok(()) => Ok(key),
        // Another process made one between our look and our write; both must use the same.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.context("the key vanished while it was being read")
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot write the key to {}", path.display()))
        }
    }
}

/// Reads the key; `None` if there is no file.
///
/// # Errors
/// A file that others can read, or that holds no key.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the key in {}", path.display()));
        }
    };
    // The mode of the open file, so that it cannot be another file than the one read.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        bail!("{} is not a file", path.display());
    }
    refuse_readable_by_others(&metadata, path)?;
    let mut key = String::new();
    file.read_to_string(&mut key)
        .with_context(|| format!("{} is no key", path.display()))?;
    let key = key.trim();
    if key.len() < 16 || !key.chars().all(|c| c.is_ascii_graphic()) {
        bail!(
            "{} is no key; delete it, and a new one is made",
            path.display()
        );
    }
    Ok(Some(key.to_owned()))
}

#[cfg(unix)]
fn refuse_readable_by_others(metadata: &std::fs::Metadata, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "the key in {path} can be read by other users (mode {:03o}). If nobody did, run: \
             chmod 600 {path}; else delete it, and a new one is made",
            mode & 0o777,
            path = path.display(),
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_metadata: &std::fs::Metadata, _path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_long_and_private() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data/api-key");
        let key = read_or_create(&path).unwrap();
        assert_eq!(key.len(), ApiKey::PREFIX.len() + 64);
        assert_eq!(read_or_create(&path).unwrap(), key);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let folder = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("api-key");
        read_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn an_empty_key_opens_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("api-key");
        paths::create_private(&path, b"\n").unwrap();
        assert!(read_or_create(&path).is_err());
    }
}
