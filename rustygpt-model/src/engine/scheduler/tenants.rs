//! [`Tenants`]: how much of the engine each user has had.

use crate::contract::CacheSalt;
use std::collections::BTreeMap;

/// A user, as far as fairness goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tenant([u8; 32]);

impl From<&CacheSalt> for Tenant {
    fn from(salt: &CacheSalt) -> Self {
        Self(salt.0)
    }
}

/// Counts the tokens computed for each user (Sheng et al., "Fairness in Serving Large Language
/// Models", OSDI 2024: virtual token counters). Who has had least goes first; who comes back after
/// a pause starts where the busy ones are, and has saved up nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    accounts: BTreeMap<Tenant, Account>,
    /// The least count among the busy, as far as it has ever risen.
    floor: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    tokens: u64,
    /// Sequences, waiting or running.
    sequences: usize,
}

impl Tenants {
    /// A sequence of this user came.
    pub(super) fn enter(&mut self, tenant: Tenant) {
        let floor = self.floor();
        // An idle account that is not ahead says nothing any more.
        self.accounts
            .retain(|_, account| account.sequences > 0 || account.tokens > floor);
        let account = self.accounts.entry(tenant).or_default();
        if account.sequences == 0 {
            account.tokens = account.tokens.max(floor);
        }
        account.sequences += 1;
    }

    /// A sequence of this user is gone.
    pub(super) fn leave(&mut self, tenant: Tenant) {
        self.floor();
        if let Some(account) = self.accounts.get_mut(&tenant) {
            account.sequences = account.sequences.saturating_sub(1);
        }
    }

    /// Tokens were computed for this user.
    pub(super) fn charge(&mut self, tenant: Tenant, tokens: usize) {
        if let Some(account) = self.accounts.get_mut(&tenant) {
            account.tokens += tokens as u64;
        }
    }

    /// How much a user has had; only differences between users mean anything.
    pub(super) fn used(&self, tenant: Tenant) -> u64 {
        self.accounts
            .get(&tenant)
            .map_or(self.floor, |account| account.tokens)
    }

    fn floor(&mut self) -> u64 {
        let busy = self
            .accounts
            .values()
            .filter(|account| account.sequences > 0);
        let least = busy.map(|account| account.tokens).min();
        self.floor = self.floor.max(least.unwrap_or(0));
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u8) -> Tenant {
        Tenant([number; 32])
    }

    #[test]
    fn a_pause_saves_nothing_up_and_a_lead_is_not_forgotten() {
        let mut tenants = Tenants::default();
        tenants.enter(tenant(1));
        tenants.charge(tenant(1), 1000);
        tenants.enter(tenant(2));
        assert_eq!(tenants.used(tenant(2)), 1000);
        tenants.charge(tenant(2), 500);
        tenants.leave(tenant(2));
        tenants.enter(tenant(2));
        assert_eq!(tenants.used(tenant(2)), 1500);
        tenants.leave(tenant(2));
        tenants.charge(tenant(1), 9000);
        tenants.enter(tenant(2));
        assert_eq!(tenants.used(tenant(2)), 10_000);
    }

    #[test]
    fn accounts_of_users_who_are_gone_are_forgotten() {
        let mut tenants = Tenants::default();
        tenants.enter(tenant(0));
        for number in 1..=200 {
            tenants.enter(tenant(number));
            tenants.charge(tenant(number), 10);
            tenants.leave(tenant(number));
            tenants.charge(tenant(0), 10);
        }
        assert!(tenants.accounts.len() < 4, "{}", tenants.accounts.len());
    }
}
