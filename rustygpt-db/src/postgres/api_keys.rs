use super::{PostgresStore, json, row};
use crate::store::{
    AccountId, Act, ApiKey, ApiKeyHolder, ApiKeyId, ApiKeys, Digest, NewApiKey, Principal,
    StoreResult, Timestamp,
};
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl ApiKeys for PostgresStore {
    async fn create_api_key(&self, key: &NewApiKey, act: &Act) -> StoreResult<ApiKey> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.api_key_create_v1($1::jsonb, $2, $3::jsonb)")
                    .bind(json::api_key(key))
                    .bind(key.digest.0.to_vec())
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::api_key)
    }

    async fn api_key_by_digest(&self, digest: Digest) -> StoreResult<Option<ApiKeyHolder>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.api_key_find_holder_v1($1)").bind(digest.0.to_vec())
            })
            .await?;
        row::optional(rows.first(), row::api_key_holder)
    }

    async fn api_key(&self, by: Principal, id: ApiKeyId) -> StoreResult<Option<ApiKey>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.api_key_find_v1($1)").bind(id.0)
            })
            .await?;
        row::optional(rows.first(), row::api_key)
    }

    async fn api_keys(&self, by: Principal, account: AccountId) -> StoreResult<Vec<ApiKey>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.api_key_list_v1($1)").bind(account.0)
            })
            .await?;
        row::all(&rows, row::api_key)
    }

    async fn revoke_api_key(&self, id: ApiKeyId, act: &Act) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.api_key_revoke_v1($1, $2::jsonb)")
                .bind(id.0)
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> StoreResult<()> {
        self.call(Principal::Server, || {
            query("SELECT rustygpt.api_key_touch_v1($1, $2)")
                .bind(id.0)
                .bind(at.0)
        })
        .await?;
        Ok(())
    }
}
