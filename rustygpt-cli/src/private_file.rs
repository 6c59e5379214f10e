//! Small files that their owner alone may read: the key, the root secret.

use anyhow::{Context as _, Result, bail};
use rustygpt_utils::paths;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads the file's text; `None` if there is none.
///
/// # Errors
/// A file that others can read, or that is no text.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    // The mode of the open file, so that it cannot be another file than the one read.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        bail!("{} is not a file", path.display());
    }
    refuse_readable_by_others(&metadata, path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)
        .with_context(|| format!("{} is no text", path.display()))?;
    Ok(Some(text))
}

/// Writes the file if there is none, in a folder that is made if need be; what it holds then, which
/// is another process's text if that was quicker.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn create(path: &Path, text: &str) -> Result<String> {
    let folder = path.parent().context("the file has no folder")?;
    paths::create_private_folder(folder)
        .with_context(|| format!("cannot create the data folder {}", folder.display()))?;
    match paths::create_private(path, text.as_bytes()) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.context("the file vanished while it was being read")
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

#[cfg(unix)]
fn refuse_readable_by_others(metadata: &std::fs::Metadata, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "the secret in {path} can be read by other users (mode {:03o}). If nobody did, run: \
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
