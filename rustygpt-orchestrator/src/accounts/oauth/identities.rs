//! Who the caller is elsewhere, and the issuers there are.

use super::Issuers;
use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use crate::accounts::{Accounts, Identity, Whence, as_oneself, own_account};
use rustygpt_db::store::{Conflict, StoreError};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// An identity with a name for paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// Derived from who vouches for whom.
    pub id: Uuid,
    /// The identity.
    pub identity: Identity,
}

impl From<Identity> for LinkedIdentity {
    fn from(identity: Identity) -> Self {
        let mut hash = Sha256::new();
        // The length keeps two different pairs from being one text.
        hash.update(identity.issuer.len().to_be_bytes());
        hash.update(identity.issuer.as_bytes());
        hash.update(identity.subject.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self {
            id: Uuid::from_bytes(id),
            identity,
        }
    }
}

impl Accounts {
    /// The issuers people may sign in by.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// Who the caller is elsewhere.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for a key.
    pub async fn own_identities(
        &self,
        caller: &Caller,
    ) -> Result<Vec<LinkedIdentity>, UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::View, Thing::Credentials(account))?;
        let identities = self.store.identities(as_oneself(caller)?, account).await?;
        Ok(identities.into_iter().map(LinkedIdentity::from).collect())
    }

    /// Unlinks one of the caller's identities.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`], which includes those of others; [`UseCaseError::Conflict`] for
    /// the last way in.
    pub async fn unlink(
        &self,
        caller: &Caller,
        id: Uuid,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let account = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(account))?;
        let by = as_oneself(caller)?;
        let identities = self.store.identities(by, account).await?;
        let mut identities = identities.into_iter().map(LinkedIdentity::from);
        let identity = identities.find(|identity| identity.id == id);
        let identity = identity.ok_or(UseCaseError::NotFound("identity"))?.identity;
        let act = self.act(
            by,
            whence,
            "identity.unlink",
            format_args!("account:{account}"),
        );
        let (issuer, subject) = (&identity.issuer, &identity.subject);
        match self
            .store
            .unlink_identity(account, issuer, subject, &act)
            .await
        {
            Err(StoreError::Conflict(conflict @ Conflict::LastWayIn)) => {
                self.note_refusal(act, "last way in").await?;
                Err(StoreError::Conflict(conflict).into())
            }
            other => Ok(other?),
        }
    }
}
