//! [`Queue`]: the sequences of one priority that wait.

use super::sequence::Sequence;
use super::tenants::Tenant;
use crate::contract::SequenceId;
use std::collections::BTreeMap;

/// The sequences of one priority that wait: by user, each user's in order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Tenant, BTreeMap<SequenceId, Sequence>>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.values().map(BTreeMap::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn insert(&mut self, id: SequenceId, sequence: Sequence) {
        let of_tenant = self.waiting.entry(sequence.tenant).or_default();
        of_tenant.insert(id, sequence);
    }

    pub(super) fn remove(&mut self, id: SequenceId) -> Option<Sequence> {
        let found = self
            .waiting
            .values_mut()
            .find_map(|of_tenant| of_tenant.remove(&id))?;
        self.drop_if_empty(found.tenant);
        Some(found)
    }

    /// The first of the user with the least `standing`; of equals, the one who has waited longest.
    pub(super) fn pop(
        &mut self,
        standing: impl Fn(Tenant) -> u64,
    ) -> Option<(SequenceId, Sequence)> {
        let (_, _, tenant) = self
            .waiting
            .iter()
            .filter_map(|(&tenant, of_tenant)| {
                let (&first, _) = of_tenant.first_key_value()?;
                Some((standing(tenant), first, tenant))
            })
            .min()?;
        let popped = self.waiting.get_mut(&tenant)?.pop_first();
        self.drop_if_empty(tenant);
        popped
    }

    fn drop_if_empty(&mut self, tenant: Tenant) {
        if self.waiting.get(&tenant).is_some_and(BTreeMap::is_empty) {
            self.waiting.remove(&tenant);
        }
    }
}
