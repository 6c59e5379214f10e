//! The schema and its migrations.

use crate::migrations::{self, Migration};
use crate::store::StoreResult;
use sqlx::sqlite::SqlitePool;

/// Every step, oldest first. A landed one is never edited; a change of the schema is a new step,
/// and a change of `sql/schema.sql`, which a test compares with what the steps make.
pub(super) const MIGRATIONS: [Migration; 1] = [Migration {
    version: 1,
    sql: include_str!("sql/0001.sql"),
}];

/// Brings the schema up to date, all steps in one transaction.
pub(super) async fn migrate(writer: &SqlitePool) -> StoreResult<()> {
    let mut act = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS migrations (
            version INTEGER NOT NULL PRIMARY KEY,
            digest BLOB NOT NULL
        ) STRICT",
    )
    .execute(&mut *act)
    .await?;
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, digest FROM migrations ORDER BY version")
            .fetch_all(&mut *act)
            .await?;
    for migration in migrations::pending(&MIGRATIONS, &applied)? {
        sqlx::raw_sql(migration.sql).execute(&mut *act).await?;
        sqlx::query("INSERT INTO migrations (version, digest) VALUES (?, ?)")
            .bind(migration.version)
            .bind(migration.digest())
            .execute(&mut *act)
            .await?;
    }
    act.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landed_migrations_are_never_edited() {
        // One line per migration, added with it and never changed.
        let landed = ["8b04ec8c4d381a1b4a41145751e524262f679b1350b472723c2f2facf58e01b8"];
        let digests: Vec<String> = MIGRATIONS.iter().map(Migration::digest_text).collect();
        assert_eq!(digests, landed);
    }
}
