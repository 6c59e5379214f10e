use super::SqliteStore;
use super::act::record;
use super::row;
use crate::faults::taken;
use crate::store::{
    AccountId, Act, CodePurpose, Codes, Conflict, Digest, NewCode, Outcome, SpentCode, StoreResult,
    Timestamp,
};
use crate::words::{Word, is_single};
use async_trait::async_trait;
use sqlx::SqliteConnection;

/// Spends a code: the row that is deleted is the proof that it was there.
pub(super) async fn spend(
    connection: &mut SqliteConnection,
    digest: Digest,
    purpose: CodePurpose,
    account: Option<AccountId>,
    at: Timestamp,
) -> StoreResult<Option<SpentCode>> {
    let spent = sqlx::query(
        "DELETE FROM codes
         WHERE digest = ?1 AND purpose = ?2 AND expires_at > ?3 AND (?4 IS NULL OR account = ?4)
         RETURNING account, payload",
    )
    .bind(digest.0.as_slice())
    .bind(purpose.word())
    .bind(at.0)
    .bind(account.map(|id| id.0))
    .fetch_optional(connection)
    .await?;
    row::optional(spent.as_ref(), row::spent_code)
}

pub(super) async fn insert(connection: &mut SqliteConnection, code: &NewCode) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO codes (digest, purpose, account, payload, expires_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(code.digest.0.as_slice())
    .bind(code.purpose.word())
    .bind(code.account.map(|id| id.0))
    .bind(&code.payload)
    .bind(code.expires_at.0)
    .execute(connection)
    .await
    .map_err(|error| taken(error, &[("codes.digest", Conflict::IdTaken)]))?;
    Ok(())
}

/// Forgets an account's codes of one purpose; those of nobody when `account` is `None`.
async fn forget(
    connection: &mut SqliteConnection,
    purpose: CodePurpose,
    account: Option<AccountId>,
) -> StoreResult<()> {
    sqlx::query("DELETE FROM codes WHERE purpose = ?1 AND account IS ?2")
        .bind(purpose.word())
        .bind(account.map(|id| id.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts these codes, which never expire, in the place of an account's earlier ones.
pub(super) async fn replace_recovery(
    connection: &mut SqliteConnection,
    account: AccountId,
    digests: &[Digest],
) -> StoreResult<()> {
    forget(connection, CodePurpose::Recovery, Some(account)).await?;
    for digest in digests {
        let code = NewCode {
            digest: *digest,
            purpose: CodePurpose::Recovery,
            account: Some(account),
            payload: Vec::new(),
            expires_at: Timestamp(i64::MAX),
        };
        insert(connection, &code).await?;
    }
    Ok(())
}

#[async_trait]
impl Codes for SqliteStore {
    async fn issue_code(&self, code: &NewCode, act: &Act) -> StoreResult<()> {
        let mut tx = self.write().await?;
        if is_single(code.purpose) {
            forget(&mut tx, code.purpose, code.account).await?;
        }
        insert(&mut tx, code).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn spend_code(
        &self,
        digest: Digest,
        purpose: CodePurpose,
        account: Option<AccountId>,
        act: &Act,
    ) -> StoreResult<Option<SpentCode>> {
        let mut tx = self.write().await?;
        let spent = spend(&mut tx, digest, purpose, account, act.at).await?;
        let outcome = if spent.is_some() {
            Outcome::Done
        } else {
            Outcome::Refused
        };
        record(&mut tx, act, outcome).await?;
        tx.commit().await?;
        Ok(spent)
    }

    async fn prune_codes(&self, at: Timestamp) -> StoreResult<u64> {
        let mut tx = self.write().await?;
        let pruned = sqlx::query("DELETE FROM codes WHERE expires_at <= ?")
            .bind(at.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(pruned.rows_affected())
    }
}
