//! The home for more than one machine: PostgreSQL 15 or newer.
//!
//! Every act is one call of a stored procedure `<noun>_<verb>_vN` in one transaction. The
//! connection works as the role `rustygpt_app`, which may execute procedures and touches no table.
//! The procedures run as `rustygpt_owner`, whom row-level security binds: whose rows there are is
//! set at the beginning of each transaction from the act's [`Principal`]. A transaction that says
//! nothing sees nothing.

mod accounts;
mod api_keys;
mod audit;
mod codes;
mod identities;
mod json;
mod row;
mod schedules;
mod schema;
mod sessions;
mod settings;
mod tasks;
mod usage;

use crate::faults::taken;
use crate::store::{Conflict, Principal, Store, StoreError, StoreResult};
use crate::words;
use async_trait::async_trait;
use sqlx::Executor;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow, PgSslMode, Postgres,
};
use sqlx::query::Query;
use std::time::Duration;

const CONNECTIONS: u32 = 16;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an act is tried that the server rolled back to let another one through.
const TRIES: u32 = 4;

/// A PostgreSQL database as a [`Store`].
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects, brings the schema up to date where the URL's role may, and refuses to begin when
    /// a procedure that this program calls is missing.
    ///
    /// A host beyond this machine is reached by TLS with its certificate verified, unless the URL
    /// says `sslmode` itself.
    ///
    /// # Errors
    /// [`StoreError::Misconfigured`], [`StoreError::NewerSchema`], [`StoreError::Unavailable`].
    pub async fn open(url: &str) -> StoreResult<Self> {
        let options = options(url)?;
        schema::migrate(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // Whatever the URL's role may do, from here on it is the app.
                    connection
                        .execute(
                            "SET ROLE rustygpt_app; SET synchronous_commit = on; \
                             SET lock_timeout = '10s'; SET statement_timeout = '30s'",
                        )
                        .await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        let store = Self { pool };
        schema::check(&store).await?;
        Ok(store)
    }

    /// Calls a procedure on someone's behalf, in a transaction of its own. What the server rolled
    /// back for the sake of another act is done again: nothing of it has happened.
    async fn call<F>(&self, by: Principal, query: F) -> StoreResult<Vec<PgRow>>
    where
        F: Fn() -> Query<'static, Postgres, PgArguments> + Send + Sync,
    {
        let mut tries = 1;
        loop {
            match self.try_call(by, query()).await {
                Err(error) if tries < TRIES && was_rolled_back(&error) => tries += 1,
                done => return done.map_err(outcome),
            }
        }
    }

    async fn try_call(
        &self,
        by: Principal,
        query: Query<'static, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let viewer = words::viewer(by).map_or_else(|| "all".to_owned(), |id| id.to_string());
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT rustygpt.caller_enter_v1($1)")
            .bind(viewer)
            .execute(&mut *tx)
            .await?;
        match query.fetch_all(&mut *tx).await {
            Ok(rows) => {
                tx.commit().await?;
                Ok(rows)
            }
            Err(error) => {
                // The server tells of an error before it has let go of the rows. Whoever hears of a
                // refusal may act at once, on another connection, and must not find them locked.
                // Should the connection be lost, the first error says more.
                drop(tx.rollback().await);
                Err(error)
            }
        }
    }

    /// Calls a procedure whose answer is one value.
    async fn call_value<T, F>(&self, by: Principal, query: F) -> StoreResult<T>
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
        F: Fn() -> Query<'static, Postgres, PgArguments> + Send + Sync,
    {
        let rows = self.call(by, query).await?;
        row::value(rows.first(), 0)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> StoreResult<()> {
        self.call(Principal::Server, || {
            sqlx::query("SELECT rustygpt.store_ping_v1()")
        })
        .await?;
        Ok(())
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

fn options(url: &str) -> StoreResult<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().map_err(|error| StoreError::Misconfigured {
        // The URL may hold a password; it is not repeated.
        what: "the database's URL cannot be read".to_owned(),
        cause: Some(Box::<sqlx::Error>::new(error)),
    })?;
    let host = options.get_host();
    let is_here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let says_mode = url.contains("sslmode=") || url.contains("ssl-mode=");
    Ok(if is_here || says_mode {
        options
    } else {
        options.ssl_mode(PgSslMode::VerifyFull)
    })
}

/// Serialisation failures and deadlocks: class 40 of SQLSTATE.
fn was_rolled_back(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|inside| inside.code());
    code.is_some_and(|code| code.starts_with("40"))
}

/// What a procedure refused, in the contract's words.
fn outcome(error: sqlx::Error) -> StoreError {
    if let Some(inside) = error.as_database_error() {
        match inside.code().as_deref() {
            Some("RG404") => {
                let what = ["account", "identity", "session", "API key", "task"];
                let what = what.into_iter().find(|what| *what == inside.message());
                return StoreError::NotFound {
                    what: what.unwrap_or("thing"),
                };
            }
            Some("RG409") => {
                if let Some(conflict) = conflict(inside.message()) {
                    return StoreError::Conflict(conflict);
                }
            }
            _ => {}
        }
    }
    let constraints = [
        ("accounts_email", Conflict::EmailTaken),
        ("identities_pkey", Conflict::IdentityTaken),
        ("api_keys_digest_key", Conflict::IdTaken),
        ("tasks_id", Conflict::IdTaken),
        ("_pkey", Conflict::IdTaken),
    ];
    taken(error, &constraints)
}

fn conflict(word: &str) -> Option<Conflict> {
    Some(match word {
        "owner_exists" => Conflict::OwnerExists,
        "code_invalid" => Conflict::CodeInvalid,
        "account_disabled" => Conflict::AccountDisabled,
        "last_admin" => Conflict::LastAdmin,
        "last_way_in" => Conflict::LastWayIn,
        "stale" => Conflict::Stale,
        "wrong_state" => Conflict::WrongState,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_this_machine_the_certificate_is_verified() {
        let is_verified = |url: &str| {
            let mode = options(url).unwrap().get_ssl_mode();
            matches!(mode, PgSslMode::VerifyFull)
        };
        assert!(is_verified("postgres://u:p@db.example.org/rustygpt"));
        assert!(is_verified("postgres://u:p@192.0.2.1/rustygpt"));
        for url in [
            "postgres://localhost/rustygpt",
            "postgres://127.0.0.1:5433/rustygpt",
            "postgres:///rustygpt?host=/run/postgresql",
            "postgres://db.example.org/rustygpt?sslmode=require",
        ] {
            assert!(!is_verified(url), "{url}");
        }
        assert!(options("no URL at all").is_err());
    }
}
