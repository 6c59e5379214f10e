use super::SqliteStore;
use super::act::record;
use super::row;
use crate::store::{Act, Conflict, Outcome, Setting, Settings, StoreResult};
use async_trait::async_trait;
use sqlx::Row;

#[async_trait]
impl Settings for SqliteStore {
    async fn settings(&self) -> StoreResult<Vec<Setting>> {
        let rows = sqlx::query("SELECT * FROM settings ORDER BY name")
            .fetch_all(&self.readers)
            .await?;
        row::all(&rows, row::setting)
    }

    async fn setting(&self, name: &str) -> StoreResult<Option<Setting>> {
        let found = sqlx::query("SELECT * FROM settings WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        row::optional(found.as_ref(), row::setting)
    }

    async fn change_setting(
        &self,
        name: &str,
        value: &str,
        expected: Option<i64>,
        act: &Act,
    ) -> StoreResult<Setting> {
        let mut tx = self.write().await?;
        let present = sqlx::query("SELECT revision FROM settings WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
        let revision: i64 = present.map_or(Ok(0), |row| row.try_get("revision"))?;
        if expected.is_some_and(|expected| expected != revision) {
            return Err(Conflict::Stale.into());
        }
        // Who is gone meanwhile changed it as nobody.
        let changed = sqlx::query(
            "INSERT INTO settings
             VALUES (?1, ?2, ?3, ?4, (SELECT id FROM accounts WHERE id = ?5))
             ON CONFLICT DO UPDATE SET value = excluded.value, revision = excluded.revision,
                 changed_at = excluded.changed_at, changed_by = excluded.changed_by
             RETURNING *",
        )
        .bind(name)
        .bind(value)
        .bind(revision + 1)
        .bind(act.at.0)
        .bind(act.by.account().map(|id| id.0))
        .fetch_one(&mut *tx)
        .await?;
        let setting = row::setting(&changed)?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(setting)
    }

    async fn remove_setting(&self, name: &str, act: &Act) -> StoreResult<()> {
        let mut tx = self.write().await?;
        let removed = sqlx::query("DELETE FROM settings WHERE name = ?")
            .bind(name)
            .execute(&mut *tx)
            .await?;
        if removed.rows_affected() == 1 {
            record(&mut tx, act, Outcome::Done).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
