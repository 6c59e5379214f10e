//! SQLite: the conformance suite, and what only a file promises.

use crate::conformance::{Home, act, audit::entries, stamp};
use rustygpt_db::audit_chain::verify;
use rustygpt_db::sqlite::SqliteStore;
use rustygpt_db::store::{Outcome, Principal, Store, StoreError};
use sqlx::{Connection, Executor};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A file in a folder of its own.
pub(crate) struct SqliteHome {
    folder: TempDir,
}

impl SqliteHome {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("rustygpt.db")
    }

    /// A connection beside the store's own, as someone with the file and another tool has.
    async fn raw(&self) -> sqlx::SqliteConnection {
        let path = self.path();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap()
    }

    /// SQLite's own check of the whole file, and that every reference leads somewhere.
    pub(crate) async fn is_sound(&self) {
        let mut raw = self.raw().await;
        let (found,): (String,) = sqlx::query_as("PRAGMA integrity_check")
            .fetch_one(&mut raw)
            .await
            .unwrap();
        assert_eq!(found, "ok");
        let broken = raw.fetch_all("PRAGMA foreign_key_check").await.unwrap();
        assert_eq!(broken.len(), 0);
    }
}

#[async_trait::async_trait]
impl Home for SqliteHome {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path()).await.unwrap())
    }
}

pub(crate) async fn home() -> Option<SqliteHome> {
    Some(SqliteHome {
        folder: tempfile::tempdir().unwrap(),
    })
}

mod contract {
    super::stamp!(crate::sqlite::home);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = home().await.unwrap();
    std::fs::write(home.path(), "").unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = home.open().await;
    store
        .append_audit(&act("test"), Outcome::Done)
        .await
        .unwrap();
    let files: Vec<_> = std::fs::read_dir(home.folder.path()).unwrap().collect();
    assert!(files.len() > 1, "no write-ahead log: {files:?}");
    for file in files {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn a_newer_schema_and_a_foreign_file_are_refused() {
    let home = home().await.unwrap();
    home.open().await.close().await;
    let newer = "INSERT INTO migrations VALUES (9999, x'00')";
    home.raw().await.execute(newer).await.unwrap();
    let refused = SqliteStore::open(&home.path()).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::NewerSchema { found: 9999, .. }),
        "{refused:?}"
    );
    let foreign = home.folder.path().join("letter.txt");
    std::fs::write(&foreign, "Dear reader, ".repeat(100)).unwrap();
    let refused = SqliteStore::open(&foreign).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused:?}");
    let missing = home.folder.path().join("none/rustygpt.db");
    let refused = SqliteStore::open(&missing).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Misconfigured { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_acknowledged_is_written_through() {
    let home = home().await.unwrap();
    home.open().await.close().await;
    // The store's own connections are private; their settings are told by the file and by options.
    let mut raw = home.raw().await;
    let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn every_flip_deletion_and_reorder_of_the_log_is_found() {
    let home = home().await.unwrap();
    let store = home.open().await;
    for _ in 0..6 {
        store
            .append_audit(&act("test"), Outcome::Done)
            .await
            .unwrap();
    }
    assert_eq!(entries(&*store, Principal::Server).await.len(), 6);
    let mut raw = home.raw().await;
    for damage in [
        "UPDATE audit SET object = 'other' WHERE sequence = 3",
        "UPDATE audit SET at = at + 1 WHERE sequence = 1",
        "UPDATE audit SET outcome = 'refused' WHERE sequence = 6",
        "UPDATE audit SET hash = zeroblob(32) WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 1",
        "DELETE FROM audit WHERE sequence = 4",
        "DELETE FROM audit WHERE sequence = 6",
        "UPDATE audit SET sequence = CASE sequence WHEN 2 THEN -3 ELSE -2 END WHERE sequence IN (2, 3);
         UPDATE audit SET sequence = -sequence WHERE sequence < 0",
        "UPDATE audit_head SET last_hash = zeroblob(32)",
    ] {
        raw.execute("BEGIN").await.unwrap();
        raw.execute("CREATE TEMP TABLE kept AS SELECT * FROM audit").await.unwrap();
        raw.execute("CREATE TEMP TABLE kept_head AS SELECT * FROM audit_head").await.unwrap();
        raw.execute(sqlx::raw_sql(damage)).await.unwrap();
        raw.execute("COMMIT").await.unwrap();
        let found = verify(&*store, None).await.unwrap().fault;
        assert!(found.is_some(), "{damage}");
        for statement in [
            "BEGIN",
            "DELETE FROM audit",
            "INSERT INTO audit SELECT * FROM kept",
            "DELETE FROM audit_head",
            "INSERT INTO audit_head SELECT * FROM kept_head",
            "DROP TABLE kept",
            "DROP TABLE kept_head",
            "COMMIT",
        ] {
            raw.execute(statement).await.unwrap();
        }
        assert_eq!(verify(&*store, None).await.unwrap().fault, None);
    }
}

/// Every statement that made the schema, without regard to spacing and comments.
async fn shape(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    let statements: Vec<(String,)> = sqlx::query_as(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'migrations' ORDER BY name",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    let plain = |sql: &str| -> String {
        let code = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or(""));
        let code: Vec<&str> = code.flat_map(str::split_whitespace).collect();
        code.join(" ")
    };
    statements.iter().map(|(sql,)| plain(sql)).collect()
}

#[tokio::test]
async fn the_migrations_make_the_schema_that_is_written_down() {
    let home = home().await.unwrap();
    home.open().await.close().await;
    let made = shape(&mut home.raw().await).await;
    assert!(made.len() > 20);
    let mut fresh = sqlx::SqliteConnection::connect("sqlite::memory:")
        .await
        .unwrap();
    let written = include_str!("../../src/sqlite/sql/schema.sql");
    fresh.execute(sqlx::raw_sql(written)).await.unwrap();
    assert_eq!(made, shape(&mut fresh).await);
}
