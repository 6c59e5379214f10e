//! Files of the audit log, in one folder that only the server's owner may enter.

use super::job::JobError;
use rustygpt_db::audit_file::{self, entry_line, head_line};
use rustygpt_db::store::{AuditFilter, AuditHead, Principal, Store, Timestamp};
use rustygpt_utils::paths;
use rustygpt_utils::tasks::Tasks as Group;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SUFFIX: &str = ".jsonl";
const LONGEST_NAME: usize = 100;

/// Where files of the audit log lie.
#[derive(Clone, Debug)]
pub struct AuditFiles {
    folder: PathBuf,
    group: Group,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written.
    pub written_at: Timestamp,
}

/// What goes into a file.
enum Piece {
    Lines(String),
    End,
}

impl AuditFiles {
    /// Those of a folder, which is made when the first is written. Files are read and written by
    /// tasks of `group`.
    #[must_use]
    pub fn new(folder: PathBuf, group: Group) -> Self {
        Self { folder, group }
    }

    /// Writes the part of the chain between the two ends of `part`, all or nothing, replacing a file
    /// of that name; then reads it back and verifies it. It is on the disk when this returns.
    pub(super) async fn write(
        &self,
        store: &dyn Store,
        name: &str,
        part: &AuditHead,
        ending: &CancellationToken,
    ) -> Result<(), JobError> {
        let (sender, receiver) = mpsc::channel(2);
        let path = self.folder.join(name);
        let writing = {
            let path = path.clone();
            self.group.spawn_blocking(move || receive(&path, receiver))
        };
        // When this fails or is dropped there is no `End`, and no file.
        let sent = send(store, part, ending, &sender).await;
        drop(sender);
        let written = writing.await.map_err(io::Error::other)?;
        sent?;
        written?;
        let reading = self.group.spawn_blocking(move || {
            audit_file::verify(BufReader::new(File::open(path)?)).map_err(io::Error::other)
        });
        let verified = reading.await.map_err(io::Error::other)??;
        match verified.fault {
            None if verified.head == *part => Ok(()),
            None => Err(JobError::Again("another file was written".to_owned())),
            // A chain that is broken in the store stays broken.
            Some(fault) => Err(JobError::Never(format!("the audit log is broken: {fault}"))),
        }
    }

    /// All of them, by name.
    pub(crate) async fn list(&self) -> io::Result<Vec<AuditFile>> {
        let folder = self.folder.clone();
        let listing = self.group.spawn_blocking(move || list(&folder));
        listing.await.map_err(io::Error::other)?
    }

    /// Opens the one of that name; `None` where there is none.
    pub(crate) async fn open(&self, name: &str) -> io::Result<Option<tokio::fs::File>> {
        if !is_name(name) {
            return Ok(None);
        }
        match tokio::fs::File::open(self.folder.join(name)).await {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file of ours may be called that: nothing in it leads out of the folder.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.strip_suffix(SUFFIX).is_some_and(|stem| {
            let is_plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !stem.is_empty() && stem.bytes().all(is_plain)
        })
}

fn list(folder: &Path) -> io::Result<Vec<AuditFile>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if !is_name(&name) {
            continue;
        }
        let metadata = entry.metadata()?;
        let written = metadata.modified()?.duration_since(UNIX_EPOCH);
        files.push(AuditFile {
            name,
            bytes: metadata.len(),
            written_at: Timestamp(0).plus(written.unwrap_or_default()),
        });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

async fn send(
    store: &dyn Store,
    part: &AuditHead,
    ending: &CancellationToken,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), JobError> {
    let gone = |_| JobError::Again("the file could not be written".to_owned());
    let head = Piece::Lines(head_line(part));
    sender.send(head).await.map_err(gone)?;
    let mut after = part.pruned;
    while after < part.last {
        if ending.is_cancelled() {
            return Err(JobError::Stopped);
        }
        let filter = AuditFilter::next_after(after);
        let entries = store.audit_entries(Principal::Server, &filter).await?;
        let Some(last) = entries.last() else {
            break;
        };
        after = last.sequence;
        // What is appended while this reads belongs to the next file.
        let ours = entries.iter().filter(|entry| entry.sequence <= part.last);
        let lines = Piece::Lines(ours.map(entry_line).collect());
        sender.send(lines).await.map_err(gone)?;
    }
    sender.send(Piece::End).await.map_err(gone)
}

fn receive(path: &Path, mut pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    paths::create_private_folder(folder)?;
    paths::replace_private(path, |file| {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Lines(lines) => file.write_all(lines.as_bytes())?,
                Piece::End => return file.sync_all(),
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    })?;
    // The name, too: what this file holds may be deleted elsewhere next.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        assert!(is_name("export-0192.jsonl") && is_name("archive-1-20.jsonl"));
        for name in [
            "",
            ".jsonl",
            "..",
            "../x.jsonl",
            "a/b.jsonl",
            "a\\b.jsonl",
            "x.json",
            "X.jsonl",
            ".hidden.jsonl",
            "x\0.jsonl",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&format!("{}.jsonl", "x".repeat(200))));
    }
}
