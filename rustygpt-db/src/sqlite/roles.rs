use super::act::{record, take_access_away};
use super::{SqliteStore, accounts};
use crate::store::{Account, AccountId, Act, Outcome, Role, Roles, StoreResult};
use crate::words::Word;
use async_trait::async_trait;

#[async_trait]
impl Roles for SqliteStore {
    async fn change_role(&self, id: AccountId, role: Role, act: &Act) -> StoreResult<Account> {
        let mut tx = self.write().await?;
        accounts::find(&mut tx, act.by, id).await?;
        if role != Role::Admin {
            accounts::keep_an_admin(&mut tx, id).await?;
        }
        sqlx::query("UPDATE accounts SET role = ?2 WHERE id = ?1")
            .bind(id.0)
            .bind(role.word())
            .execute(&mut *tx)
            .await?;
        take_access_away(&mut tx).await?;
        let account = accounts::find(&mut tx, act.by, id).await?;
        record(&mut tx, act, Outcome::Done).await?;
        tx.commit().await?;
        Ok(account)
    }
}
