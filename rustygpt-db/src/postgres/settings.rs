use super::{PostgresStore, json, row};
use crate::store::{Act, Principal, Setting, Settings, StoreResult};
use async_trait::async_trait;
use sqlx::query;

#[async_trait]
impl Settings for PostgresStore {
    async fn settings(&self) -> StoreResult<Vec<Setting>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.setting_list_v1()")
            })
            .await?;
        row::all(&rows, row::setting)
    }

    async fn setting(&self, name: &str) -> StoreResult<Option<Setting>> {
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.setting_find_v1($1)").bind(name.to_owned())
            })
            .await?;
        row::optional(rows.first(), row::setting)
    }

    async fn change_setting(
        &self,
        name: &str,
        value: &str,
        expected: Option<i64>,
        act: &Act,
    ) -> StoreResult<Setting> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.setting_change_v1($1, $2, $3, $4::jsonb)")
                    .bind(name.to_owned())
                    .bind(value.to_owned())
                    .bind(expected)
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::setting)
    }

    async fn remove_setting(&self, name: &str, act: &Act) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.setting_remove_v1($1, $2::jsonb)")
                .bind(name.to_owned())
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }
}
