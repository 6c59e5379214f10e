use super::act::{record, take_access_away};
use super::row::{self, account_columns};
use super::{SqliteStore, accounts};
use crate::faults::taken;
use crate::store::{
    AccountId, AccountState, Act, Conflict, NewSession, Outcome, Principal, RefreshRequest,
    Rotation, Session, SessionId, Sessions, StoreError, StoreResult, Timestamp,
};
use crate::words::viewer;
use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

/// Ends every live session of an account except `keep`.
pub(super) async fn revoke_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    keep: Option<SessionId>,
    at: Timestamp,
) -> StoreResult<u64> {
    let revoked = sqlx::query(
        "UPDATE sessions SET revoked_at = ?3
         WHERE account = ?1 AND revoked_at IS NULL AND expires_at > ?3
             AND (?2 IS NULL OR id <> ?2)",
    )
    .bind(account.0)
    .bind(keep.map(|id| id.0))
    .bind(at.0)
    .execute(connection)
    .await?;
    Ok(revoked.rows_affected())
}

async fn insert_token(
    connection: &mut SqliteConnection,
    digest: &[u8],
    session: SessionId,
    expires_at: Timestamp,
) -> StoreResult<()> {
    sqlx::query("INSERT INTO refresh_tokens (digest, session, expires_at) VALUES (?, ?, ?)")
        .bind(digest)
        .bind(session.0)
        .bind(expires_at.0)
        .execute(connection)
        .await
        .map_err(|error| taken(error, &[("refresh_tokens.digest", Conflict::IdTaken)]))?;
    Ok(())
}

async fn find(connection: &mut SqliteConnection, id: SessionId) -> StoreResult<Session> {
    let found = sqlx::query("SELECT * FROM sessions WHERE id = ?")
        .bind(id.0)
        .fetch_one(connection)
        .await?;
    row::session(&found)
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn start_session(&self, session: &NewSession, act: &Act) -> StoreResult<Session> {
        let mut tx = self.write().await?;
        let account = accounts::find(&mut tx, act.by, session.account).await?;
        if account.state == AccountState::Disabled {
            return Err(Conflict::AccountDisabled.into());
        }
        sqlx::query(
            "INSERT INTO sessions (id, account, address, user_agent, created_at, refreshed_at,
                 expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
        )
        .bind(session.id.0)
        .bind(session.account.0)
        .bind(&session.address)
        .bind(&session.user_agent)
        .bind(act.at.0)
        .bind(session.expires_at.0)
        .execute(&mut *tx)
        .await
        .map_err(|error| taken(error, &[("sessions.id", Conflict::IdTaken)]))?;
        let digest = session.token.0.as_slice();
        insert_token(&mut tx, digest, session.id, session.token_expires_at).await?;
        sqlx::query(
            "UPDATE accounts SET failure_count = 0, failures_since = NULL, locked_until = NULL
             WHERE id = ?",
        )
        .bind(session.account.0)
        .execute(&mut *tx)
        .await?;
        let session = find(&mut tx, session.id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(session)
    }

    async fn refresh_session(&self, request: &RefreshRequest, act: &Act) -> StoreResult<Rotation> {
        let mut tx = self.write().await?;
        // A token that opens nothing any more is not told from one that never was.
        let presented = sqlx::query(
            "SELECT t.session, t.expires_at AS token_expires_at, t.spent_at, s.account
             FROM refresh_tokens t
             JOIN sessions s ON s.id = t.session
             JOIN accounts a ON a.id = s.account
             WHERE t.digest = ?1 AND s.revoked_at IS NULL AND s.expires_at > ?2
                 AND a.state = 'active'",
        )
        .bind(request.presented.0.as_slice())
        .bind(act.at.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(presented) = presented else {
            return Ok(Rotation::Refused);
        };
        let id = SessionId(presented.try_get("session")?);
        let account = AccountId(presented.try_get("account")?);
        if let Some(spent_at) = presented.try_get::<Option<i64>, _>("spent_at")? {
            if act.at.since(Timestamp(spent_at)) < request.grace {
                return Ok(Rotation::Raced { session: id });
            }
            sqlx::query("UPDATE sessions SET revoked_at = ?2 WHERE id = ?1")
                .bind(id.0)
                .bind(act.at.0)
                .execute(&mut *tx)
                .await?;
            take_access_away(&mut tx).await?;
            record(&mut tx, act, Outcome::Refused).await?;
            tx.commit().await?;
            return Ok(Rotation::Reused {
                session: id,
                account,
            });
        }
        if presented.try_get::<i64, _>("token_expires_at")? <= act.at.0 {
            return Ok(Rotation::Refused);
        }
        sqlx::query("UPDATE refresh_tokens SET spent_at = ?2 WHERE digest = ?1")
            .bind(request.presented.0.as_slice())
            .bind(act.at.0)
            .execute(&mut *tx)
            .await?;
        let digest = request.child.0.as_slice();
        insert_token(&mut tx, digest, id, request.child_expires_at).await?;
        sqlx::query("UPDATE sessions SET refreshed_at = ?2 WHERE id = ?1")
            .bind(id.0)
            .bind(act.at.0)
            .execute(&mut *tx)
            .await?;
        let both = sqlx::query(concat!(
            "SELECT s.*, ",
            account_columns!(),
            " FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.id = ?"
        ))
        .bind(id.0)
        .fetch_one(&mut *tx)
        .await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(Rotation::Rotated {
            session: row::session(&both)?,
            account: row::account(&both)?,
        })
    }

    async fn live_session(
        &self,
        by: Principal,
        id: SessionId,
        at: Timestamp,
    ) -> StoreResult<Option<Session>> {
        let found = sqlx::query(
            "SELECT * FROM sessions
             WHERE id = ?1 AND revoked_at IS NULL AND expires_at > ?2
                 AND (?3 IS NULL OR account = ?3)",
        )
        .bind(id.0)
        .bind(at.0)
        .bind(viewer(by))
        .fetch_optional(&self.readers)
        .await?;
        row::optional(found.as_ref(), row::session)
    }

    async fn sessions(
        &self,
        by: Principal,
        account: AccountId,
        at: Timestamp,
    ) -> StoreResult<Vec<Session>> {
        let rows = sqlx::query(
            "SELECT * FROM sessions
             WHERE account = ?1 AND revoked_at IS NULL AND expires_at > ?2
                 AND (?3 IS NULL OR account = ?3)
             ORDER BY created_at DESC, id DESC",
        )
        .bind(account.0)
        .bind(at.0)
        .bind(viewer(by))
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::session)
    }

    async fn revoke_session(&self, id: SessionId, act: &Act) -> StoreResult<()> {
        let mut tx = self.write().await?;
        let revoked = sqlx::query(
            "UPDATE sessions SET revoked_at = coalesce(revoked_at, ?2)
             WHERE id = ?1 AND (?3 IS NULL OR account = ?3)",
        )
        .bind(id.0)
        .bind(act.at.0)
        .bind(viewer(act.by))
        .execute(&mut *tx)
        .await?;
        if revoked.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "session" });
        }
        take_access_away(&mut tx).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn revoke_sessions(
        &self,
        account: AccountId,
        keep: Option<SessionId>,
        act: &Act,
    ) -> StoreResult<u64> {
        let mut tx = self.write().await?;
        accounts::find(&mut tx, act.by, account).await?;
        let revoked = revoke_all(&mut tx, account, keep, act.at).await?;
        take_access_away(&mut tx).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    async fn prune_sessions(&self, before: Timestamp) -> StoreResult<u64> {
        let mut tx = self.write().await?;
        let pruned = sqlx::query("DELETE FROM sessions WHERE expires_at < ?1 OR revoked_at < ?1")
            .bind(before.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(pruned.rows_affected())
    }

    async fn prune_refresh_tokens(&self, before: Timestamp) -> StoreResult<u64> {
        let mut tx = self.write().await?;
        let pruned = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < ?")
            .bind(before.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(pruned.rows_affected())
    }
}
