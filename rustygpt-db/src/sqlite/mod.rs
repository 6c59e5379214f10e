//! The embedded home: one SQLite file in the owner's data folder.
//!
//! One connection writes, several read. Every act that writes is one `BEGIN IMMEDIATE` transaction,
//! which takes the file's write lock before it reads: another process cannot come between what an
//! act reads and what it writes. With write-ahead logging and `synchronous=FULL`, what was
//! acknowledged survives the loss of power.

mod accounts;
mod act;
mod api_keys;
mod audit;
mod codes;
mod identities;
mod roles;
mod row;
mod schedules;
mod schema;
mod sessions;
mod settings;
mod tasks;
mod usage;

use crate::store::{Store, StoreError, StoreResult};
use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use std::path::Path;
use std::time::Duration;

/// How long an act waits for the write lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it waits for a connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

/// A SQLite file as a [`Store`].
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file at `path`, makes it (readable by its owner alone) where there is none, and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] when a newer program wrote it; [`StoreError::Misconfigured`]
    /// when it cannot be made; [`StoreError::Corrupt`] when it is no database.
    pub async fn open(path: &Path) -> StoreResult<Self> {
        make_private(path).map_err(|error| StoreError::Misconfigured {
            what: format!("{} cannot be made or opened", path.display()),
            cause: Some(Box::new(error)),
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // What is deleted is overwritten: no digest or address lingers in free pages.
            .pragma("secure_delete", "ON")
            .pragma("trusted_schema", "OFF");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone())
            .await?;
        schema::migrate(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Ok(Self { writer, readers })
    }

    /// Begins an act that writes. Dropped before its commit, it has not happened.
    async fn write(&self) -> StoreResult<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> StoreResult<()> {
        sqlx::query("SELECT revision FROM access")
            .fetch_one(&self.readers)
            .await?;
        Ok(())
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes the file for its owner alone before SQLite sees it; its companions (`-wal`, `-shm`) get
/// the same mode from SQLite. A file that others may read is closed to them.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(0o600);
        let file = options.open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    options.open(path)?;
    Ok(())
}
