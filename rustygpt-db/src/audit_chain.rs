//! The chain of the audit log: how an entry's hash is made, and how the whole is verified.
//!
//! The hash of an entry is SHA-256 over the hash before it and its fields, each as a netstring
//! (`length:bytes,`), so that no two different entries are the same bytes. PostgreSQL computes the
//! same in `audit_append_v1`.
//!
//! A chain shows that something in it was changed, removed or moved, as long as its end is known.
//! The store keeps the end beside the entries. Who can write to both could make a whole new chain;
//! an [`AuditHead`] kept elsewhere (an export, another machine) shows even that.

use crate::store::{AuditEntry, AuditFilter, AuditHead, Principal, Store, StoreResult};
use crate::words::{self, Word};
use sha2::{Digest, Sha256};

/// The hash an entry must have.
#[must_use]
pub fn entry_hash(entry: &AuditEntry) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(entry.previous);
    let account = entry
        .by
        .account()
        .map_or_else(String::new, |id| id.to_string());
    for field in [
        &entry.sequence.to_string(),
        &entry.at.0.to_string(),
        words::principal_word(entry.by),
        &account,
        &entry.action,
        &entry.object,
        entry.outcome.word(),
        &entry.request,
        &entry.address,
        &entry.detail,
    ] {
        hash.update(format!("{}:{field},", field.len()));
    }
    hash.finalize().into()
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// An entry was changed after it was written.
    #[error("entry {0} was changed")]
    Changed(i64),
    /// Entries are missing, doubled or out of order.
    #[error("entry {0} is missing or out of its place")]
    OutOfPlace(i64),
    /// An entry does not follow the one before it.
    #[error("entry {0} does not follow the one before it")]
    Unchained(i64),
    /// The chain ends elsewhere than it should.
    #[error("the log should end with entry {expected} and ends with {found}")]
    WrongEnd {
        /// The last entry's sequence as it was noted.
        expected: i64,
        /// The last entry found.
        found: i64,
    },
    /// Entries of a known head have been rewritten or cut away.
    #[error("entry {0} is not the one that was noted elsewhere")]
    Rewritten(i64),
}

/// Verifies a chain entry by entry.
#[derive(Clone, Debug)]
pub struct ChainVerifier {
    sequence: i64,
    hash: [u8; 32],
}

impl ChainVerifier {
    /// Begins where `head` says that the chain begins.
    #[must_use]
    pub fn new(head: &AuditHead) -> Self {
        Self {
            sequence: head.pruned,
            hash: head.pruned_hash,
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// [`AuditFault`] when it is not the one that was written here.
    pub fn check(&mut self, entry: &AuditEntry) -> Result<(), AuditFault> {
        let expected = self.sequence.saturating_add(1);
        if entry.sequence != expected {
            return Err(AuditFault::OutOfPlace(expected));
        }
        if entry.previous != self.hash {
            return Err(AuditFault::Unchained(expected));
        }
        if entry.hash != entry_hash(entry) {
            return Err(AuditFault::Changed(expected));
        }
        self.sequence = expected;
        self.hash = entry.hash;
        Ok(())
    }

    /// No entry follows.
    ///
    /// # Errors
    /// [`AuditFault::WrongEnd`] when some should.
    pub fn finish(self, head: &AuditHead) -> Result<(), AuditFault> {
        if (self.sequence, self.hash) == (head.last, head.last_hash) {
            Ok(())
        } else {
            Err(AuditFault::WrongEnd {
                expected: head.last,
                found: self.sequence,
            })
        }
    }
}

/// What [`verify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries were read.
    pub entries: u64,
    /// Where the chain begins and ends: worth keeping elsewhere.
    pub head: AuditHead,
    /// The first fault, if there is one.
    pub fault: Option<AuditFault>,
}

/// Reads the whole chain of `store` and verifies it. `anchor` is a sequence and its hash as they
/// were noted elsewhere before.
///
/// # Errors
/// When the store cannot be read; a broken chain is an answer, not an error.
pub async fn verify(store: &dyn Store, anchor: Option<(i64, [u8; 32])>) -> StoreResult<Verified> {
    let head = store.audit_head().await?;
    let mut verifier = ChainVerifier::new(&head);
    let mut verified = Verified {
        entries: 0,
        head,
        fault: None,
    };
    // An anchor that was pruned meanwhile proves nothing either way.
    let mut wanted = anchor.filter(|(sequence, _)| *sequence > head.pruned);
    let mut after = head.pruned;
    'pages: loop {
        let filter = AuditFilter::next_after(after);
        let page = store.audit_entries(Principal::Server, &filter).await?;
        for entry in &page {
            // What is appended while this reads belongs to the next verification.
            if entry.sequence > head.last {
                break 'pages;
            }
            verified.entries += 1;
            if let Err(fault) = verifier.check(entry) {
                verified.fault = Some(fault);
                return Ok(verified);
            }
            if let Some((_, hash)) = wanted.take_if(|(sequence, _)| *sequence == entry.sequence)
                && hash != entry.hash
            {
                verified.fault = Some(AuditFault::Rewritten(entry.sequence));
                return Ok(verified);
            }
            after = entry.sequence;
        }
        if page.len() < filter.limit as usize {
            break;
        }
    }
    verified.fault = match (verifier.finish(&head), wanted) {
        (Err(fault), _) => Some(fault),
        (Ok(()), Some((sequence, _))) => Some(AuditFault::Rewritten(sequence)),
        (Ok(()), None) => None,
    };
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{AccountId, Outcome, Timestamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn chain(texts: &[(String, String)]) -> (Vec<AuditEntry>, AuditHead) {
        let mut head = AuditHead {
            pruned: 7,
            pruned_hash: [7; 32],
            last: 7,
            last_hash: [7; 32],
        };
        let mut entries = Vec::new();
        for (action, detail) in texts {
            let mut entry = AuditEntry {
                sequence: head.last + 1,
                at: Timestamp(head.last * 1000),
                by: Principal::Account(AccountId(Uuid::from_u128(1))),
                action: action.clone(),
                object: "thing".to_owned(),
                outcome: Outcome::Done,
                request: "req".to_owned(),
                address: String::new(),
                detail: detail.clone(),
                previous: head.last_hash,
                hash: [0; 32],
            };
            entry.hash = entry_hash(&entry);
            head.last = entry.sequence;
            head.last_hash = entry.hash;
            entries.push(entry);
        }
        (entries, head)
    }

    fn fault(entries: &[AuditEntry], head: &AuditHead) -> Option<AuditFault> {
        let mut verifier = ChainVerifier::new(head);
        let checked = entries.iter().try_for_each(|entry| verifier.check(entry));
        checked.and_then(|()| verifier.finish(head)).err()
    }

    fn flipped(hash: &mut [u8; 32], bit: usize) {
        hash[bit / 8 % 32] ^= 1 << (bit % 8);
    }

    /// Does one thing to a log that should not be done to it.
    fn damage(entries: &mut Vec<AuditEntry>, kind: usize, at: usize, bit: usize) {
        let length = entries.len();
        let at = at % length;
        let entry = &mut entries[at];
        match kind {
            0 => entry.at.0 ^= 1 << (bit % 63),
            1 => entry.by = Principal::Admin(AccountId(Uuid::from_u128(1))),
            2 => entry.by = Principal::Account(AccountId(Uuid::from_u128(2 + bit as u128))),
            3 => entry.action.push('x'),
            4 => entry.outcome = Outcome::Refused,
            // Bytes that move from one field to the next.
            5 => entry.object = std::mem::take(&mut entry.request),
            6 => entry.address.push('1'),
            7 => entry.detail.insert(0, ' '),
            8 => entry.sequence ^= 1 << (bit % 63),
            9 => flipped(&mut entry.previous, bit),
            10 => flipped(&mut entry.hash, bit),
            11 => drop(entries.remove(at)),
            12 => entries.insert(at, entries[at].clone()),
            13 => entries.swap(at, (at + 1) % length),
            14 => {
                // Moved, and renumbered to look right.
                entries.swap(at, (at + 1) % length);
                for (place, entry) in entries.iter_mut().enumerate() {
                    entry.sequence = 8 + i64::try_from(place).unwrap();
                }
            }
            15 => {
                // Changed, with a hash of its own that is right.
                entry.detail.push('!');
                entry.hash = entry_hash(entry);
            }
            _ => entries.truncate(at),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_flip_deletion_or_reorder_is_found(
            texts in prop::collection::vec((".{0,12}", ".{0,24}"), 2..12),
            kind in 0..17usize,
            at in 0..100usize,
            bit in 0..256usize,
        ) {
            let (mut entries, head) = chain(&texts);
            prop_assert_eq!(fault(&entries, &head), None);
            damage(&mut entries, kind, at, bit);
            prop_assert!(fault(&entries, &head).is_some());
        }
    }
}
