//! How one file gets here whole: into `NAME.part`, resumed where it stopped, proved by its digest,
//! and only then given its name.

use super::requests::{self, Arrived, Credential};
use crate::output::human_bytes;
use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use nix::sys::statvfs::statvfs;
use reqwest::Client;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Failures in a row, without a byte between them, before we give up.
const MOST_FAILURES: u32 = 5;

/// A file to fetch.
pub(crate) struct Wanted {
    /// Where it is.
    pub(crate) url: Url,
    /// What may be shown to whom.
    pub(crate) credential: Option<Credential>,
    /// Where it goes.
    pub(crate) path: PathBuf,
    /// Its size, if known.
    pub(crate) size: Option<u64>,
    /// Its SHA-256 digest in hexadecimal, if known.
    pub(crate) sha256: Option<String>,
}

/// What is known of a file that is half here; kept beside it.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    url: String,
    /// A strong ETag or a date, for `If-Range`.
    validator: Option<String>,
    sha256: Option<String>,
}

/// How a file ended up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was here before.
    Present,
    /// It was fetched and its digest is right.
    Proved,
    /// It was fetched; nobody said what its digest should be.
    Unproved,
}

/// Why one attempt ended.
enum Failure {
    /// Worth another attempt.
    Passing(anyhow::Error),
    /// Not.
    Final(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

/// Fetches a file, going on where an earlier attempt stopped. `bar` shows how far it is.
///
/// # Errors
/// No connection, a full disk, a digest that is wrong (the part is then deleted). What was fetched
/// stays for the next time.
pub(crate) async fn fetch(client: &Client, wanted: &Wanted, bar: &ProgressBar) -> Result<Outcome> {
    if let Ok(metadata) = fs::metadata(&wanted.path)
        && wanted.size.is_none_or(|size| size == metadata.len())
    {
        return Ok(Outcome::Present);
    }
    let mut part = Part::open(wanted)?;
    if let Some(size) = wanted.size {
        check_space(&wanted.path, size.saturating_sub(part.length))?;
    }
    let mut failures = 0;
    loop {
        let before = part.length;
        match attempt(client, wanted, &mut part, bar).await {
            Ok(()) => break,
            Err(Failure::Final(error)) => return Err(explain(error, &wanted.path)),
            Err(Failure::Passing(error)) => {
                failures = if part.length > before {
                    1
                } else {
                    failures + 1
                };
                if failures >= MOST_FAILURES {
                    let advice = "what was fetched is kept; the same command goes on from there";
                    return Err(error.context(advice));
                }
                tokio::time::sleep(Duration::from_millis(250 << failures)).await;
            }
        }
    }
    part.finish(wanted)
}

/// The system's "no space left" in words that help.
fn explain(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let is_full = |e: &io::Error| {
        matches!(
            e.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    };
    if error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is_full))
    {
        return error.context(format!(
            "the disk is full; make room and run the same command again: {} is kept as far as it is",
            path.display()
        ));
    }
    error
}

async fn attempt(
    client: &Client,
    wanted: &Wanted,
    part: &mut Part,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut headers = HeaderMap::new();
    if part.may_resume() {
        requests::range_from(&mut headers, part.length)?;
        if let Some(validator) = &part.progress.validator {
            headers.insert(IF_RANGE, HeaderValue::from_str(validator)?);
        }
    }
    let mut arrived = requests::get(client, &wanted.url, wanted.credential.as_ref(), &headers)
        .await
        .map_err(Failure::Passing)?;
    let status = arrived.response.status().as_u16();
    match status {
        200 => part.start_over()?,
        206 if resumes_at(&arrived, part.length) => {}
        // The file changed its length, or an answer to another question: begin again.
        206 | 416 => {
            part.start_over()?;
            return Err(Failure::Passing(anyhow::anyhow!(
                "the server cannot resume this file"
            )));
        }
        401 | 403 => {
            return Err(Failure::Final(anyhow::anyhow!(
                "{} is not allowed ({status}); a private or gated model needs a token in HF_TOKEN",
                requests::place(&wanted.url)
            )));
        }
        408 | 429 | 500..=599 => {
            let place = requests::place(&wanted.url);
            return Err(Failure::Passing(anyhow::anyhow!(
                "{place} answers {status}"
            )));
        }
        _ => {
            let place = requests::place(&wanted.url);
            return Err(Failure::Final(anyhow::anyhow!("{place} answers {status}")));
        }
    }
    part.remember(wanted, &arrived)?;
    let total = total_size(&arrived, part.length).or(wanted.size);
    if let Some(total) = total {
        check_space(&wanted.path, total.saturating_sub(part.length))?;
        bar.set_length(total);
    }
    bar.set_position(part.length);
    loop {
        match arrived.response.chunk().await {
            Ok(Some(chunk)) => {
                part.append(&chunk)?;
                bar.set_position(part.length);
            }
            Ok(None) => break,
            Err(error) => {
                let context = format!(
                    "the transfer from {} broke off",
                    requests::place(&wanted.url)
                );
                return Err(Failure::Passing(anyhow::Error::new(error).context(context)));
            }
        }
        if total.is_some_and(|total| part.length > total) {
            part.start_over()?;
            return Err(Failure::Final(anyhow::anyhow!(
                "the server sends more than it announced"
            )));
        }
    }
    match total {
        Some(total) if part.length < total => {
            Err(Failure::Passing(anyhow::anyhow!("the transfer broke off")))
        }
        _ => Ok(()),
    }
}

/// Whether a 206 brings what follows our `length` bytes.
fn resumes_at(arrived: &Arrived, length: u64) -> bool {
    let range = arrived
        .own_header(CONTENT_RANGE)
        .and_then(|text| text.strip_prefix("bytes "));
    let start = range.and_then(|range| range.split_once('-')?.0.parse::<u64>().ok());
    start == Some(length)
}

/// The whole file's size, as the response has it.
fn total_size(arrived: &Arrived, already: u64) -> Option<u64> {
    let rest: Option<u64> = arrived
        .own_header(CONTENT_LENGTH)
        .and_then(|text| text.parse().ok());
    rest.and_then(|rest| rest.checked_add(already))
}

fn check_space(path: &Path, needed: u64) -> Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    let Ok(free) = free_space(folder) else {
        // A file system that does not tell: writing will.
        return Ok(());
    };
    if free < needed {
        bail!(
            "the disk of {} has {} free, {} more are needed",
            folder.display(),
            human_bytes(free),
            human_bytes(needed - free)
        );
    }
    Ok(())
}

/// Bytes that may still be written to the file system of a folder.
///
/// # Errors
/// The operating system's.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let statistics = statvfs(folder)?;
    // The types differ between systems.
    #[expect(clippy::useless_conversion, reason = "u32 on some systems")]
    let blocks = u64::from(statistics.blocks_available());
    #[expect(clippy::useless_conversion, reason = "u32 on some systems")]
    let size = u64::from(statistics.fragment_size());
    Ok(blocks.saturating_mul(size))
}

/// The file as far as it is here.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    digest: Sha256,
    progress: Progress,
}

impl Part {
    fn open(wanted: &Wanted) -> Result<Self> {
        let folder = wanted.path.parent().context("a file needs a folder")?;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let path = beside(&wanted.path, "part");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "{} is being downloaded by another process",
                    wanted.path.display()
                )
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let progress: Progress = fs::read(beside(&wanted.path, "part.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let is_same_file = progress.url == wanted.url.as_str()
            && (wanted.sha256.is_none() || progress.sha256 == wanted.sha256);
        let mut digest = Sha256::new();
        let mut length = 0;
        if is_same_file {
            let mut buffer = vec![0; 1 << 20];
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                digest.update(&buffer[..count]);
                length += count as u64;
            }
        } else {
            file.set_len(0)?;
        }
        Ok(Self {
            path,
            file,
            length,
            digest,
            progress,
        })
    }

    /// Without a validator only a digest could tell that two halves belong together.
    fn may_resume(&self) -> bool {
        self.length > 0 && (self.progress.validator.is_some() || self.progress.sha256.is_some())
    }

    fn start_over(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        self.digest = Sha256::new();
        self.progress.validator = None;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Notes what is needed to go on another time.
    fn remember(&mut self, wanted: &Wanted, arrived: &Arrived) -> Result<()> {
        let strong = |tag: &&str| !tag.starts_with("W/");
        let tag = arrived.own_header(ETAG).filter(strong);
        let validator = tag.or_else(|| arrived.own_header(LAST_MODIFIED));
        // The hub gives the digest of a large file as the ETag of what it links to.
        let linked = arrived
            .header("x-linked-etag")
            .map(|tag| tag.trim_matches('"').to_lowercase());
        self.progress = Progress {
            url: wanted.url.to_string(),
            validator: validator.map(str::to_owned),
            sha256: wanted
                .sha256
                .clone()
                .or_else(|| linked.filter(|tag| is_digest(tag))),
        };
        let json = serde_json::to_vec(&self.progress)?;
        Ok(fs::write(beside(&wanted.path, "part.json"), json)?)
    }

    fn finish(self, wanted: &Wanted) -> Result<Outcome> {
        let discard = || {
            drop(fs::remove_file(&self.path));
            drop(fs::remove_file(beside(&wanted.path, "part.json")));
        };
        if let Some(size) = wanted.size.filter(|size| *size != self.length) {
            discard();
            bail!(
                "{} is {} bytes long, not {size}",
                requests::place(&wanted.url),
                self.length
            );
        }
        let expected = wanted.sha256.as_ref().or(self.progress.sha256.as_ref());
        if let Some(expected) = expected {
            let found = hexadecimal(&self.digest.finalize());
            if found != *expected {
                discard();
                bail!(
                    "{} is damaged: its SHA-256 digest is {found}, not {expected}; it was deleted",
                    wanted.path.display()
                );
            }
        }
        self.file.sync_all()?;
        fs::rename(&self.path, &wanted.path)?;
        drop(fs::remove_file(beside(&wanted.path, "part.json")));
        Ok(if expected.is_some() {
            Outcome::Proved
        } else {
            Outcome::Unproved
        })
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{ending}"));
    path.with_file_name(name)
}

/// Whether a text is a SHA-256 digest in hexadecimal.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
