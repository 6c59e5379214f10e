//! How the prompt tokens of a step are shared among the prompts that are being read.

use super::tenants::Tenant;
use crate::contract::{Priority, SequenceId};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Tokens given away at once: small beside a step, and enough for a kernel to be worth its while.
const HELPING: usize = 16;

/// A sequence that takes part in a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) id: SequenceId,
    pub(super) priority: Priority,
    pub(super) tenant: Tenant,
    /// How much its user has had.
    pub(super) used: u64,
    /// How many tokens it could read; at least 1.
    pub(super) pending: usize,
}

/// What each of the `readers` gets, in their order: one token, and its part of `budget` more.
///
/// Interactive prompts go first. Among them each helping goes to the user who has had least; of his
/// prompts, by turns, to the oldest and to the one with the least left, so that a short question
/// does not wait for the book before it and the book goes on.
pub(super) fn share(readers: &[Reader], mut budget: usize) -> Vec<usize> {
    let mut shares = vec![1; readers.len()];
    // By tenant: tokens given in this step, and helpings.
    let mut given: BTreeMap<Tenant, (u64, u32)> = BTreeMap::new();
    for reader in readers {
        given.entry(reader.tenant).or_default().0 += 1;
    }
    while budget > 0 {
        let hungry = readers
            .iter()
            .zip(&shares)
            .enumerate()
            .filter(|(_, (reader, share))| **share < reader.pending);
        let next = hungry.min_by_key(|(_, (reader, share))| {
            let (tokens, helpings) = given.get(&reader.tenant).copied().unwrap_or_default();
            let rest = match helpings % 2 {
                0 => 0,
                _ => reader.pending - **share,
            };
            (
                Reverse(reader.priority),
                reader.used + tokens,
                reader.tenant,
                rest,
                reader.id,
            )
        });
        let Some((index, (reader, share))) = next else {
            break;
        };
        let amount = HELPING.min(reader.pending - share).min(budget);
        let (tokens, helpings) = given.entry(reader.tenant).or_default();
        *tokens += amount as u64;
        *helpings += 1;
        budget -= amount;
        if let Some(share) = shares.get_mut(index) {
            *share += amount;
        }
    }
    shares
}
