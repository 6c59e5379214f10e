use super::{PostgresStore, json, row};
use crate::store::{
    Account, AccountId, Act, NewSession, Principal, RefreshRequest, Rotation, Session, SessionId,
    Sessions, StoreResult, Timestamp,
};
use crate::words::{saturated, unknown};
use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Row, query};
use uuid::Uuid;

/// Reads what `session_refresh_v1` found.
fn rotation(row: &PgRow) -> StoreResult<Rotation> {
    let outcome: &str = row.try_get("outcome")?;
    let session = || -> StoreResult<SessionId> { Ok(SessionId(row.try_get("session_id")?)) };
    let account =
        || -> StoreResult<AccountId> { Ok(AccountId(row.try_get::<Uuid, _>("session_account")?)) };
    Ok(match outcome {
        "rotated" => {
            let (session, account): (Session, Account) = (row::session(row)?, row::account(row)?);
            Rotation::Rotated { session, account }
        }
        "raced" => Rotation::Raced {
            session: session()?,
        },
        "reused" => Rotation::Reused {
            session: session()?,
            account: account()?,
        },
        "refused" => Rotation::Refused,
        other => return Err(unknown("rotation", other)),
    })
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn start_session(&self, session: &NewSession, act: &Act) -> StoreResult<Session> {
        let rows = self
            .call(act.by, || {
                query("SELECT * FROM rustygpt.session_start_v1($1::jsonb, $2, $3, $4::jsonb)")
                    .bind(json::session(session))
                    .bind(session.token.0.to_vec())
                    .bind(session.token_expires_at.0)
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, row::session)
    }

    async fn refresh_session(&self, request: &RefreshRequest, act: &Act) -> StoreResult<Rotation> {
        let grace = u64::try_from(request.grace.as_millis()).unwrap_or(u64::MAX);
        // Whoever holds the token is not known before it is found.
        let rows = self
            .call(Principal::Server, || {
                query("SELECT * FROM rustygpt.session_refresh_v1($1, $2, $3, $4, $5::jsonb)")
                    .bind(request.presented.0.to_vec())
                    .bind(request.child.0.to_vec())
                    .bind(request.child_expires_at.0)
                    .bind(saturated(grace))
                    .bind(json::act(act))
            })
            .await?;
        row::one(&rows, rotation)
    }

    async fn live_session(
        &self,
        by: Principal,
        id: SessionId,
        at: Timestamp,
    ) -> StoreResult<Option<Session>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.session_find_live_v1($1, $2)")
                    .bind(id.0)
                    .bind(at.0)
            })
            .await?;
        row::optional(rows.first(), row::session)
    }

    async fn sessions(
        &self,
        by: Principal,
        account: AccountId,
        at: Timestamp,
    ) -> StoreResult<Vec<Session>> {
        let rows = self
            .call(by, || {
                query("SELECT * FROM rustygpt.session_list_v1($1, $2)")
                    .bind(account.0)
                    .bind(at.0)
            })
            .await?;
        row::all(&rows, row::session)
    }

    async fn revoke_session(&self, id: SessionId, act: &Act) -> StoreResult<()> {
        self.call(act.by, || {
            query("SELECT rustygpt.session_revoke_v1($1, $2::jsonb)")
                .bind(id.0)
                .bind(json::act(act))
        })
        .await?;
        Ok(())
    }

    async fn revoke_sessions(
        &self,
        account: AccountId,
        keep: Option<SessionId>,
        act: &Act,
    ) -> StoreResult<u64> {
        let ended: i64 = self
            .call_value(act.by, || {
                query("SELECT rustygpt.session_revoke_all_v1($1, $2, $3::jsonb)")
                    .bind(account.0)
                    .bind(keep.map(|id| id.0))
                    .bind(json::act(act))
            })
            .await?;
        Ok(ended.unsigned_abs())
    }

    async fn prune_sessions(&self, before: Timestamp) -> StoreResult<u64> {
        let pruned: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.session_prune_v1($1)").bind(before.0)
            })
            .await?;
        Ok(pruned.unsigned_abs())
    }

    async fn prune_refresh_tokens(&self, before: Timestamp) -> StoreResult<u64> {
        let pruned: i64 = self
            .call_value(Principal::Server, || {
                query("SELECT rustygpt.session_prune_tokens_v1($1)").bind(before.0)
            })
            .await?;
        Ok(pruned.unsigned_abs())
    }
}
