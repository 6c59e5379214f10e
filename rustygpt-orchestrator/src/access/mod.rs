//! Who is asking, and what they may do: the one place of truth.
//!
//! A request proves itself by a key, an access token or a cookie; [`crate::accounts`] turns each
//! into a [`Caller`], and [`authorize`] says what that caller may do to a [`Thing`]. What an
//! account may do is its role's; a key narrows that to its scopes.

mod key;
pub mod rate;
mod scopes;

pub use key::{ApiKey, KeyDigest, Keyring};
pub use rustygpt_db::store::{AccountId, Role, Scope};
pub use scopes::Scopes;

use rustygpt_model::contract::CacheSalt;
use sha2::{Digest, Sha256};

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    identity: Identity,
    scopes: Scopes,
    cache_salt: CacheSalt,
}

/// Whom a caller is known as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// The person at the machine, who has no account.
    Local,
    /// Someone who holds a key that is not in the store.
    LocalKey,
    /// Someone who signed in, in person.
    Person { account: AccountId, role: Role },
    /// A program with a key of an account.
    Program { account: AccountId, role: Role },
}

impl Caller {
    /// The person at the machine: the command line, which needs no key.
    #[must_use]
    pub fn local_owner() -> Self {
        Self {
            identity: Identity::Local,
            scopes: Scopes::ALL,
            cache_salt: CacheSalt::default(),
        }
    }

    /// Someone who asks without a key, where the owner allows it.
    #[must_use]
    pub fn keyless() -> Self {
        Self::local_key(CacheSalt::default())
    }

    /// Who holds a key that is not in the store: the local owner's programs.
    fn local_key(cache_salt: CacheSalt) -> Self {
        Self {
            identity: Identity::LocalKey,
            scopes: Scopes::of([Scope::Inference]),
            cache_salt,
        }
    }

    /// Someone who signed in.
    #[must_use]
    pub fn person(account: AccountId, role: Role) -> Self {
        Self {
            identity: Identity::Person { account, role },
            scopes: Scopes::ALL,
            cache_salt: account_salt(account),
        }
    }

    /// A program with a key of an account.
    #[must_use]
    pub fn program(account: AccountId, role: Role, scopes: Scopes) -> Self {
        Self {
            identity: Identity::Program { account, role },
            scopes,
            cache_salt: account_salt(account),
        }
    }

    /// The account they act for, if they have one.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self.identity {
            Identity::Person { account, .. } | Identity::Program { account, .. } => Some(account),
            Identity::Local | Identity::LocalKey => None,
        }
    }

    /// Keeps this caller's cached prefixes invisible to others' timing. Keys of one account share
    /// theirs.
    #[must_use]
    pub fn cache_salt(&self) -> &CacheSalt {
        &self.cache_salt
    }

    fn role(&self) -> Option<Role> {
        match self.identity {
            Identity::Person { role, .. } | Identity::Program { role, .. } => Some(role),
            Identity::Local | Identity::LocalKey => None,
        }
    }

    fn administers(&self) -> bool {
        self.identity == Identity::Local
            || (self.role() == Some(Role::Admin) && self.scopes.contain(Scope::Admin))
    }

    /// Whether their role lets them use the server at all, beyond looking.
    fn may_use(&self) -> bool {
        self.role() != Some(Role::ReadOnly)
    }
}

/// A salt that belongs to the account.
fn account_salt(account: AccountId) -> CacheSalt {
    let mut hash = Sha256::new();
    hash.update(b"rustygpt prefix cache salt of an account");
    hash.update(account.0.as_bytes());
    CacheSalt(hash.finalize().into())
}

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See that it exists, and what it says.
    View,
    /// Have it answer.
    Generate,
    /// Change it, as its own.
    Change,
    /// Change it, whosever it is.
    Administer,
}

/// What a caller wants to do it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// The list of models.
    Models,
    /// One model, by its id.
    Model(&'a str),
    /// How busy the server is.
    Status,
    /// The server's settings.
    Settings,
    /// An account's profile, its data and what it used.
    Account(AccountId),
    /// What an account proves itself with: password, second factor, sign-ins, keys. A key never
    /// reaches them, so that a leaked one cannot outlive its revocation.
    Credentials(AccountId),
    /// All accounts.
    Accounts,
    /// The audit log.
    Audit,
    /// The queue of tasks.
    Tasks,
}

/// The caller may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("your role or your key does not allow this")]
pub struct Denied;

/// Decides whether `caller` may do `action` to `thing`.
///
/// # Errors
/// [`Denied`] when they may not. A use-case whose thing the caller must not even know of turns
/// that into its "not found".
pub fn authorize(caller: &Caller, action: Action, thing: Thing<'_>) -> Result<(), Denied> {
    let scopes = caller.scopes;
    let is_person = matches!(caller.identity, Identity::Person { .. });
    let allowed = match (action, thing) {
        (Action::View, Thing::Models | Thing::Model(_) | Thing::Status) => {
            scopes.contain(Scope::Inference) || scopes.contain(Scope::Read)
        }
        (Action::Generate, Thing::Model(_)) => scopes.contain(Scope::Inference) && caller.may_use(),
        (Action::View, Thing::Account(id)) if caller.account() == Some(id) => {
            scopes.contain(Scope::Read)
        }
        (Action::Change, Thing::Account(id)) if caller.account() == Some(id) => {
            scopes.contain(Scope::Write) && caller.may_use()
        }
        // One's own password and sign-ins are everybody's to keep safe, whatever the role.
        (Action::View | Action::Change, Thing::Credentials(id)) if caller.account() == Some(id) => {
            is_person
        }
        _ => caller.administers(),
    };
    if allowed { Ok(()) } else { Err(Denied) }
}

#[cfg(test)]
mod tests;
