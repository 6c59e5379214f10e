//! Where a program keeps its things, after the XDG Base Directory Specification, and how a file
//! is written so that it is never seen half-written.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folders of one program for one person. None of them need exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Settings a person edits: `$XDG_CONFIG_HOME/<program>`, else `~/.config/<program>`.
    pub config: PathBuf,
    /// What the program keeps: `$XDG_DATA_HOME/<program>`, else `~/.local/share/<program>`.
    pub data: PathBuf,
    /// The person's home folder, where other programs keep theirs.
    pub home: PathBuf,
}

/// Neither `HOME` nor the XDG variables say where a person's files are.
#[derive(Debug, thiserror::Error)]
#[error("the environment names no home folder: set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME")]
pub struct NoHome;

impl Folders {
    /// The folders that `environment` names for `program`. Relative paths in the XDG variables
    /// are ignored, as the specification asks.
    ///
    /// # Errors
    /// [`NoHome`] when a folder is named neither directly nor by `HOME`.
    pub fn find(
        program: &str,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, NoHome> {
        let absolute = |name: &str| {
            environment(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute("HOME");
        let folder = |variable: &str, below_home: &str| {
            absolute(variable)
                .or_else(|| home.as_ref().map(|home| home.join(below_home)))
                .map(|folder| folder.join(program))
                .ok_or(NoHome)
        };
        let config = folder("XDG_CONFIG_HOME", ".config")?;
        let data = folder("XDG_DATA_HOME", ".local/share")?;
        Ok(Self {
            config,
            home: home.unwrap_or_else(|| data.clone()),
            data,
        })
    }
}

/// Creates a folder, and those above it, that only its owner may enter. One that exists keeps its
/// mode.
///
/// # Errors
/// The operating system's.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file that only its owner may read, all or nothing, replacing one of that name. The
/// bytes are on the disk when this returns.
///
/// # Errors
/// The operating system's.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_private(path, |file| {
        file.write_all(content)?;
        file.sync_all()
    })
}

/// As [`write_private`], with what `write` writes. If it fails, what was there stays.
///
/// # Errors
/// The operating system's, and those of `write`.
pub fn replace_private(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary_beside(path, write)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Like [`write_private`], but fails with [`io::ErrorKind::AlreadyExists`] rather than replace a
/// file, so that of two writers one wins.
///
/// # Errors
/// The operating system's.
pub fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path, |file| {
        file.write_all(content)?;
        file.sync_all()
    })?;
    // A hard link, unlike a rename, never replaces what is there.
    let outcome = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    outcome
}

fn temporary_beside(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let unique = crate::random::bytes::<8>().map_err(io::Error::other)?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{:016x}", u64::from_le_bytes(unique)));
    let temporary = path.with_file_name(hidden);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    if let Err(error) = write(&mut file) {
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    Ok(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn folders(variables: &[(&str, &str)]) -> Result<Folders, NoHome> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Folders::find("program", |name| variables.get(name).map(OsString::from))
    }

    #[test]
    fn xdg_variables_win_over_home() {
        let found = folders(&[("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "/settings")]).unwrap();
        assert_eq!(found.config, Path::new("/settings/program"));
        assert_eq!(found.data, Path::new("/home/ada/.local/share/program"));
    }

    #[test]
    fn relative_xdg_variables_are_ignored() {
        let found = folders(&[("HOME", "/home/ada"), ("XDG_DATA_HOME", "data")]).unwrap();
        assert_eq!(found.data, Path::new("/home/ada/.local/share/program"));
    }

    #[test]
    fn without_a_home_the_error_names_the_way_out() {
        assert!(folders(&[]).unwrap_err().to_string().contains("HOME"));
    }

    #[cfg(unix)]
    #[test]
    fn private_files_are_whole_private_and_created_once() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        create_private_folder(&folder).unwrap();
        assert_eq!(
            fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let path = folder.join("key");
        create_private(&path, b"first").unwrap();
        let second = create_private(&path, b"second").unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write_private(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file stays behind"
        );
    }
}
