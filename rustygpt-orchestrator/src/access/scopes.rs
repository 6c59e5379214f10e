//! [`Scopes`]: what a key is good for, as a set.

use super::Scope;

/// A set of [`Scope`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope: what somebody who signed in has.
    pub const ALL: Self = Self(0b1111);

    /// These scopes.
    #[must_use]
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }

    /// Whether a scope is among them.
    #[must_use]
    pub fn contain(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Inference => 1,
        Scope::Read => 2,
        Scope::Write => 4,
        Scope::Admin => 8,
    }
}
