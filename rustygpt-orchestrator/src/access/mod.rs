//! Who is asking, and what they may do.
//!
//! There is one owner for now; accounts come later and change only this room.

mod key;

pub use key::{ApiKey, KeyDigest, Keyring};

use rustygpt_model::contract::CacheSalt;

/// Who is asking. Made by [`Keyring::caller`] from a key, or by [`Caller::local_owner`] for
/// someone who already sits at the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    scope: Scope,
    cache_salt: CacheSalt,
}

/// How far a caller's power reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Everything.
    Owner,
    /// Asking models and seeing how they fare.
    Inference,
}

impl Caller {
    /// The person at the machine: the command line, which needs no key.
    #[must_use]
    pub fn local_owner() -> Self {
        Self {
            scope: Scope::Owner,
            cache_salt: CacheSalt::default(),
        }
    }

    /// Someone who asks without a key, where the owner allows it.
    #[must_use]
    pub fn keyless() -> Self {
        Self {
            scope: Scope::Inference,
            cache_salt: CacheSalt::default(),
        }
    }

    /// Keeps this caller's cached prefixes invisible to others' timing.
    #[must_use]
    pub fn cache_salt(&self) -> &CacheSalt {
        &self.cache_salt
    }
}

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See that it exists.
    View,
    /// Have it answer.
    Generate,
    /// Change it.
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
}

/// The caller may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("your key does not allow this")]
pub struct Denied;

/// Decides whether `caller` may do `action` to `thing`.
///
/// # Errors
/// [`Denied`] when they may not. A use-case whose thing the caller must not even know of turns
/// that into its "not found".
pub fn authorize(caller: &Caller, action: Action, thing: Thing<'_>) -> Result<(), Denied> {
    let allowed = match (caller.scope, action, thing) {
        (Scope::Owner, ..) => true,
        (Scope::Inference, Action::View, Thing::Models | Thing::Model(_) | Thing::Status) => true,
        (Scope::Inference, Action::Generate, Thing::Model(_)) => true,
        (Scope::Inference, ..) => false,
    };
    if allowed { Ok(()) } else { Err(Denied) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reaches_inference_and_nothing_else() {
        let caller = Caller::keyless();
        let things = [
            Thing::Models,
            Thing::Model("m"),
            Thing::Status,
            Thing::Settings,
        ];
        let allowed: Vec<(Action, Thing<'_>)> =
            [Action::View, Action::Generate, Action::Administer]
                .into_iter()
                .flat_map(|action| things.map(|thing| (action, thing)))
                .filter(|&(action, thing)| authorize(&caller, action, thing).is_ok())
                .collect();
        assert_eq!(
            allowed,
            [
                (Action::View, Thing::Models),
                (Action::View, Thing::Model("m")),
                (Action::View, Thing::Status),
                (Action::Generate, Thing::Model("m")),
            ]
        );
    }

    #[test]
    fn the_owner_may_do_everything() {
        assert!(authorize(&Caller::local_owner(), Action::Administer, Thing::Settings).is_ok());
    }
}
