use super::act::{record, take_access_away};
use super::row::{self, account_columns};
use super::{SqliteStore, accounts};
use crate::faults::taken;
use crate::store::{
    AccountId, Act, ApiKey, ApiKeyHolder, ApiKeyId, ApiKeys, Conflict, Digest, NewApiKey, Outcome,
    Principal, StoreError, StoreResult, Timestamp,
};
use crate::words::{Word, saturated, scopes_text, viewer};
use async_trait::async_trait;

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn create_api_key(&self, key: &NewApiKey, act: &Act) -> StoreResult<ApiKey> {
        let mut tx = self.write().await?;
        accounts::find(&mut tx, act.by, key.account).await?;
        let created = sqlx::query(
            "INSERT INTO api_keys (id, account, name, digest, hint, scopes, expires_at,
                 requests_per_minute, quota_tokens, quota_period, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             RETURNING *",
        )
        .bind(key.id.0)
        .bind(key.account.0)
        .bind(&key.name)
        .bind(key.digest.0.as_slice())
        .bind(&key.hint)
        .bind(scopes_text(&key.scopes))
        .bind(key.expires_at.map(|at| at.0))
        .bind(key.requests_per_minute)
        .bind(key.quota.map(|quota| saturated(quota.tokens)))
        .bind(key.quota.map(|quota| quota.period.word()))
        .bind(act.at.0)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| taken(error, &[("api_keys.", Conflict::IdTaken)]))?;
        let key = row::api_key(&created)?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(key)
    }

    async fn api_key_by_digest(&self, digest: Digest) -> StoreResult<Option<ApiKeyHolder>> {
        let found = sqlx::query(concat!(
            "SELECT k.*, ",
            account_columns!(),
            " FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.digest = ?"
        ))
        .bind(digest.0.as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row::optional(found.as_ref(), row::api_key_holder)
    }

    async fn api_key(&self, by: Principal, id: ApiKeyId) -> StoreResult<Option<ApiKey>> {
        let found =
            sqlx::query("SELECT * FROM api_keys WHERE id = ?1 AND (?2 IS NULL OR account = ?2)")
                .bind(id.0)
                .bind(viewer(by))
                .fetch_optional(&self.readers)
                .await?;
        row::optional(found.as_ref(), row::api_key)
    }

    async fn api_keys(&self, by: Principal, account: AccountId) -> StoreResult<Vec<ApiKey>> {
        let rows = sqlx::query(
            "SELECT * FROM api_keys WHERE account = ?1 AND (?2 IS NULL OR account = ?2)
             ORDER BY created_at DESC, id DESC",
        )
        .bind(account.0)
        .bind(viewer(by))
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::api_key)
    }

    async fn revoke_api_key(&self, id: ApiKeyId, act: &Act) -> StoreResult<()> {
        let mut tx = self.write().await?;
        let revoked = sqlx::query(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2)
             WHERE id = ?1 AND (?3 IS NULL OR account = ?3)",
        )
        .bind(id.0)
        .bind(act.at.0)
        .bind(viewer(act.by))
        .execute(&mut *tx)
        .await?;
        if revoked.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "API key" });
        }
        take_access_away(&mut tx).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> StoreResult<()> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE api_keys SET last_used_at = ?2
             WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        )
        .bind(id.0)
        .bind(at.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
