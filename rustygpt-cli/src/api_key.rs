//! The server's own key: 256 bits, made on first start, kept in one file that its owner alone may
//! read.

use crate::private_file;
use anyhow::{Result, bail};
use rustygpt_orchestrator::access::ApiKey;
use std::path::Path;

/// Reads the key, or makes one if there is none yet.
///
/// # Errors
/// A folder that cannot be written, a key that others can read or that is no key.
pub(crate) fn read_or_create(path: &Path) -> Result<String> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let key = ApiKey::generate()?;
    let text = private_file::create(path, &format!("{}\n", key.reveal()))?;
    checked(&text, path)
}

/// Reads the key; `None` if there is no file.
///
/// # Errors
/// A file that others can read, or that holds no key.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let text = private_file::read(path)?;
    text.map(|text| checked(&text, path)).transpose()
}

fn checked(text: &str, path: &Path) -> Result<String> {
    let key = text.trim();
    if key.len() < 16 || !key.chars().all(|c| c.is_ascii_graphic()) {
        bail!(
            "{} is no key; delete it, and a new one is made",
            path.display()
        );
    }
    Ok(key.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustygpt_utils::paths;
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
