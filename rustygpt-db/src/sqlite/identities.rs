use super::act::record;
use super::row::{self, account_columns};
use super::{SqliteStore, accounts, codes};
use crate::faults::taken;
use crate::store::{
    Account, AccountId, Act, CodePurpose, Conflict, Digest, Identities, Identity, NewAccount,
    Outcome, Principal, StoreError, StoreResult,
};
use crate::words::viewer;
use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

async fn insert(connection: &mut SqliteConnection, identity: &Identity) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO identities (issuer, subject, account, email, linked_at)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&identity.issuer)
    .bind(&identity.subject)
    .bind(identity.account.0)
    .bind(&identity.email)
    .bind(identity.linked_at.0)
    .execute(connection)
    .await
    .map_err(|error| taken(error, &[("identities.issuer", Conflict::IdentityTaken)]))?;
    Ok(())
}

#[async_trait]
impl Identities for SqliteStore {
    async fn account_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<Account>> {
        let found = sqlx::query(concat!(
            "SELECT ",
            account_columns!(),
            " FROM identities i JOIN accounts a ON a.id = i.account
              WHERE i.issuer = ? AND i.subject = ?"
        ))
        .bind(issuer)
        .bind(subject)
        .fetch_optional(&self.readers)
        .await?;
        row::optional(found.as_ref(), row::account)
    }

    async fn create_account_with_identity(
        &self,
        account: &NewAccount,
        identity: &Identity,
        invitation: Option<Digest>,
        act: &Act,
    ) -> StoreResult<Account> {
        let mut tx = self.write().await?;
        if let Some(code) = invitation {
            codes::spend(&mut tx, code, CodePurpose::Invitation, None, act.at)
                .await?
                .ok_or(Conflict::CodeInvalid)?;
        }
        accounts::insert(&mut tx, account, act.at).await?;
        insert(&mut tx, identity).await?;
        let account = accounts::find(&mut tx, Principal::Server, account.id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(account)
    }

    async fn link_identity(&self, identity: &Identity, act: &Act) -> StoreResult<()> {
        let mut tx = self.write().await?;
        accounts::find(&mut tx, act.by, identity.account).await?;
        let holder = sqlx::query("SELECT account FROM identities WHERE issuer = ? AND subject = ?")
            .bind(&identity.issuer)
            .bind(&identity.subject)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(holder) = holder
            && holder.try_get::<Uuid, _>("account")? == identity.account.0
        {
            return Ok(());
        }
        insert(&mut tx, identity).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn unlink_identity(
        &self,
        account: AccountId,
        issuer: &str,
        subject: &str,
        act: &Act,
    ) -> StoreResult<()> {
        let mut tx = self.write().await?;
        let has_password = accounts::find(&mut tx, act.by, account).await?.has_password;
        let unlinked =
            sqlx::query("DELETE FROM identities WHERE account = ? AND issuer = ? AND subject = ?")
                .bind(account.0)
                .bind(issuer)
                .bind(subject)
                .execute(&mut *tx)
                .await?;
        if unlinked.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "identity" });
        }
        let other = sqlx::query("SELECT 1 FROM identities WHERE account = ?")
            .bind(account.0)
            .fetch_optional(&mut *tx)
            .await?;
        if !has_password && other.is_none() {
            return Err(Conflict::LastWayIn.into());
        }
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn identities(&self, by: Principal, account: AccountId) -> StoreResult<Vec<Identity>> {
        let rows = sqlx::query(
            "SELECT * FROM identities WHERE account = ?1 AND (?2 IS NULL OR account = ?2)
             ORDER BY linked_at, issuer, subject",
        )
        .bind(account.0)
        .bind(viewer(by))
        .fetch_all(&self.readers)
        .await?;
        row::all(&rows, row::identity)
    }
}
