//! What the database says, told by what a caller can do about it.

use crate::store::{Conflict, StoreError};
use std::time::Duration;

/// When an act may be tried again that the home could not take.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{
            ColumnDecode, ColumnNotFound, Database, Decode, Io, PoolClosed, PoolTimedOut, Protocol,
            Tls, TypeNotFound, WorkerCrashed,
        };
        match error {
            Io(_) | Tls(_) | PoolTimedOut | PoolClosed | WorkerCrashed | Protocol(_) => {
                unavailable(error)
            }
            ColumnDecode { .. } | ColumnNotFound(_) | Decode(_) | TypeNotFound { .. } => {
                Self::Corrupt {
                    what: "a row".to_owned(),
                    cause: Some(Box::new(error)),
                }
            }
            Database(ref inside) => match kind(inside.as_ref()) {
                Kind::Passing => unavailable(error),
                Kind::Corrupt => Self::Corrupt {
                    what: "the database file".to_owned(),
                    cause: Some(Box::new(error)),
                },
                Kind::Refused => Self::Refused {
                    cause: Box::new(error),
                },
            },
            _ => Self::Refused {
                cause: Box::new(error),
            },
        }
    }
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable {
        retry_after: RETRY_AFTER,
        cause: Box::new(error),
    }
}

/// What a database's refusal means.
enum Kind {
    /// It may be taken later.
    Passing,
    /// The data is damaged.
    Corrupt,
    /// It will never be taken.
    Refused,
}

fn kind(error: &dyn sqlx::error::DatabaseError) -> Kind {
    let code = error.code().unwrap_or_default();
    if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        // The low byte of an extended result code is the primary one: https://sqlite.org/rescode.html
        match code.parse::<u32>().map(|code| code & 0xff) {
            // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
            Ok(5 | 6 | 7 | 8 | 9 | 10 | 13 | 14 | 15) => Kind::Passing,
            // CORRUPT, NOTADB.
            Ok(11 | 26) => Kind::Corrupt,
            _ => Kind::Refused,
        }
    } else {
        // Classes of SQLSTATE, PostgreSQL's appendix A: connection, rollback (serialisation,
        // deadlock), resources, operator's intervention, system; read-only transaction, a lock
        // not had in time; damaged data, a damaged index.
        let class = code.get(..2).unwrap_or_default();
        match class {
            "08" | "40" | "53" | "57" | "58" => Kind::Passing,
            _ if code == "25006" || code == "55P03" => Kind::Passing,
            _ if code == "XX001" || code == "XX002" => Kind::Corrupt,
            _ => Kind::Refused,
        }
    }
}

/// Tells which conflict it is when a row is there already: `taken` pairs a part of the constraint's
/// name, or of SQLite's `table.column`, with its conflict.
pub(crate) fn taken(error: sqlx::Error, taken: &[(&str, Conflict)]) -> StoreError {
    let Some(inside) = error
        .as_database_error()
        .filter(|inside| inside.is_unique_violation())
    else {
        return error.into();
    };
    let place = inside.constraint().unwrap_or_else(|| inside.message());
    match taken.iter().find(|(part, _)| place.contains(part)) {
        Some((_, conflict)) => StoreError::Conflict(*conflict),
        None => error.into(),
    }
}
