//! What a migration is, and what is known of one that has been applied.

use crate::store::{StoreError, StoreResult};
use sha2::{Digest, Sha256};

/// One step of the schema. Once landed it is never edited: the ledger of every database knows its
/// digest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// Its place, from 1 without gaps.
    pub(crate) version: i64,
    /// Its statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    /// The digest that the ledger keeps.
    pub(crate) fn digest(&self) -> Vec<u8> {
        Sha256::digest(self.sql.as_bytes()).to_vec()
    }

    /// The same for people to read.
    #[cfg(test)]
    pub(crate) fn digest_text(&self) -> String {
        let digest = self.digest();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Which of `known` are still to be applied to a database whose ledger says `applied`.
///
/// # Errors
/// [`StoreError::NewerSchema`] when the ledger knows more than this program;
/// [`StoreError::Misconfigured`] when a landed migration was edited.
pub(crate) fn pending<'a>(
    known: &'a [Migration],
    applied: &[(i64, Vec<u8>)],
) -> StoreResult<&'a [Migration]> {
    let newest = known.last().map_or(0, |migration| migration.version);
    if let Some((found, _)) = applied.iter().find(|(version, _)| *version > newest) {
        return Err(StoreError::NewerSchema {
            found: applied.last().map_or(*found, |(version, _)| *version),
            known: newest,
        });
    }
    for ((version, digest), migration) in applied.iter().zip(known) {
        if *version != migration.version || *digest != migration.digest() {
            return Err(StoreError::Misconfigured {
                what: format!(
                    "migration {version} of the database is not this program's migration {}",
                    migration.version
                ),
                cause: None,
            });
        }
    }
    Ok(known.get(applied.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Migration; 2] = [
        Migration {
            version: 1,
            sql: "CREATE TABLE a (b)",
        },
        Migration {
            version: 2,
            sql: "CREATE TABLE c (d)",
        },
    ];

    fn versions(applied: &[(i64, Vec<u8>)]) -> Vec<i64> {
        let pending = pending(&KNOWN, applied).unwrap();
        pending.iter().map(|migration| migration.version).collect()
    }

    #[test]
    fn what_the_ledger_lacks_is_pending() {
        let first = (1, KNOWN[0].digest());
        let second = (2, KNOWN[1].digest());
        assert_eq!(versions(&[]), [1, 2]);
        assert_eq!(versions(std::slice::from_ref(&first)), [2]);
        assert_eq!(versions(&[first, second]), [0i64; 0]);
    }

    #[test]
    fn a_newer_ledger_and_an_edited_migration_are_refused() {
        let (first, second) = ((1, KNOWN[0].digest()), (2, KNOWN[1].digest()));
        let newer = pending(&KNOWN, &[first, second, (3, vec![0])]);
        assert!(matches!(
            newer,
            Err(StoreError::NewerSchema { found: 3, known: 2 })
        ));
        let edited = pending(&KNOWN, &[(1, vec![0])]);
        assert!(matches!(edited, Err(StoreError::Misconfigured { .. })));
    }
}
