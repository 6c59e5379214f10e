//! One server per data folder, and how other commands find it: a lock that lives as long as the
//! process, and a small file with the address.

use anyhow::{Context as _, Result, bail};
use rustygpt_utils::paths;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use url::Url;

/// This process is the data folder's server until this is dropped.
#[derive(Debug)]
pub(crate) struct ServerRecord {
    file: PathBuf,
    // Released by the operating system even when the process is killed.
    _lock: File,
}

/// What other commands need to know.
#[derive(Debug, Serialize, Deserialize)]
struct Address {
    url: String,
    process: u32,
}

fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join("server.lock")
}

fn address_file(data_dir: &Path) -> PathBuf {
    data_dir.join("server.json")
}

impl ServerRecord {
    /// Takes the folder, which is created if need be.
    ///
    /// # Errors
    /// Another server has it, or it cannot be written.
    pub(crate) fn claim(data_dir: &Path) -> Result<Self> {
        paths::create_private_folder(data_dir)
            .with_context(|| format!("cannot create the data folder {}", data_dir.display()))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_file(data_dir))
            .with_context(|| format!("cannot write to the data folder {}", data_dir.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                file: address_file(data_dir),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => {
                let place = read(data_dir).map_or_else(String::new, |address| {
                    format!(" at {} (process {})", address.url, address.process)
                });
                bail!(
                    "a server is already running{place} with the data folder {}; stop it, or use \
                     another folder by --data-dir",
                    data_dir.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", data_dir.display()))
            }
        }
    }

    /// Tells other commands where the server answers.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn announce(&self, url: &Url) -> Result<()> {
        let address = Address {
            url: url.to_string(),
            process: std::process::id(),
        };
        let json = serde_json::to_vec(&address)?;
        paths::write_private(&self.file, &json)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

impl Drop for ServerRecord {
    fn drop(&mut self) {
        // A record that stays behind does no harm: the lock tells whether it is true.
        drop(std::fs::remove_file(&self.file));
    }
}

fn read(data_dir: &Path) -> Option<Address> {
    serde_json::from_slice(&std::fs::read(address_file(data_dir)).ok()?).ok()
}

/// Where the data folder's server answers; `None` if none is running.
pub(crate) fn running(data_dir: &Path) -> Option<Url> {
    let lock = File::open(lock_file(data_dir)).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            read(data_dir).and_then(|address| address.url.parse().ok())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server_that_others_can_find() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(running(scratch.path()), None);
        let url: Url = "http://127.0.0.1:1234".parse().unwrap();
        let first = ServerRecord::claim(scratch.path()).unwrap();
        first.announce(&url).unwrap();
        assert_eq!(running(scratch.path()), Some(url));
        let error = ServerRecord::claim(scratch.path()).unwrap_err().to_string();
        assert!(
            error.contains("127.0.0.1:1234") && error.contains("--data-dir"),
            "{error}"
        );
        drop(first);
        assert_eq!(running(scratch.path()), None);
        ServerRecord::claim(scratch.path()).unwrap();
    }
}
