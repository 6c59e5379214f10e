//! The schema, its migrations, and what is checked at start-up.

use super::PostgresStore;
use crate::migrations::{self, Migration};
use crate::store::{Principal, StoreError, StoreResult};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

/// Every step, oldest first. A landed one is never edited; a changed signature is a procedure with
/// the next version in its name.
pub(super) static MIGRATIONS: [Migration; 2] = [
    Migration {
        version: 1,
        sql: concat!(
            include_str!("sql/0001/schema.sql"),
            include_str!("sql/0001/act.sql"),
            include_str!("sql/0001/accounts.sql"),
            include_str!("sql/0001/codes.sql"),
            include_str!("sql/0001/identities.sql"),
            include_str!("sql/0001/sessions.sql"),
            include_str!("sql/0001/api_keys.sql"),
            include_str!("sql/0001/usage.sql"),
            include_str!("sql/0001/audit.sql"),
            include_str!("sql/0001/settings.sql"),
            include_str!("sql/0001/tasks.sql"),
        ),
    },
    Migration {
        version: 2,
        sql: include_str!("sql/0002/upkeep.sql"),
    },
];

/// What this program calls. A test finds any that is missing here.
pub(super) const PROCEDURES: &[&str] = &[
    "access_revision_v1",
    "account_change_password_v1",
    "account_change_profile_v1",
    "account_change_role_v1",
    "account_change_state_v1",
    "account_change_totp_v1",
    "account_count_v1",
    "account_create_owner_v1",
    "account_create_v1",
    "account_delete_v1",
    "account_find_credentials_by_email_v1",
    "account_find_credentials_v1",
    "account_find_v1",
    "account_list_v1",
    "account_record_failure_v1",
    "account_rehash_password_v1",
    "account_reset_password_v1",
    "account_use_totp_step_v1",
    "api_key_create_v1",
    "api_key_find_holder_v1",
    "api_key_find_v1",
    "api_key_list_v1",
    "api_key_revoke_v1",
    "api_key_touch_v1",
    "audit_append_v1",
    "audit_head_v1",
    "audit_list_v1",
    "audit_prune_v2",
    "caller_enter_v1",
    "code_issue_v1",
    "code_prune_v1",
    "code_spend_v1",
    "identity_create_account_v1",
    "identity_find_account_v1",
    "identity_link_v1",
    "identity_list_v1",
    "identity_unlink_v1",
    "migration_list_v1",
    "schedule_fire_v1",
    "schedule_list_due_v1",
    "schedule_put_v1",
    "schedule_remove_v1",
    "session_find_live_v1",
    "session_list_v1",
    "session_prune_tokens_v1",
    "session_prune_v1",
    "session_refresh_v1",
    "session_revoke_all_v1",
    "session_revoke_v1",
    "session_start_v1",
    "setting_change_v1",
    "setting_find_v1",
    "setting_list_v1",
    "setting_remove_v1",
    "store_ping_v1",
    "task_cancel_v1",
    "task_claim_v1",
    "task_complete_v1",
    "task_count_v1",
    "task_enqueue_v1",
    "task_fail_v1",
    "task_find_v1",
    "task_heartbeat_v1",
    "task_list_v1",
    "task_next_due_v1",
    "task_prune_v1",
    "task_release_v1",
    "task_retry_v1",
    "usage_draw_quota_v1",
    "usage_list_v2",
    "usage_prune_v1",
    "usage_record_v1",
    "usage_return_quota_v1",
    "usage_spend_quota_v1",
];

const OLDEST_SERVER: i32 = 150_000;
/// The advisory lock of whoever migrates: any number that is always the same.
const MIGRATION_LOCK: i64 = 0x0072_7573_7479_6770;

fn misconfigured(what: impl Into<String>) -> StoreError {
    StoreError::Misconfigured {
        what: what.into(),
        cause: None,
    }
}

/// Brings the schema up to date, all steps in one transaction, if the connecting role may.
pub(super) async fn migrate(options: &PgConnectOptions) -> StoreResult<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    let facts = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS version,
             EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'rustygpt_owner'
                 AND NOT pg_has_role(oid, 'MEMBER')) AS is_app_only,
             EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'rustygpt_app'
                 AND pg_has_role(oid, 'MEMBER')) AS is_app",
    )
    .fetch_one(&mut connection)
    .await?;
    if facts.try_get::<i32, _>("version")? < OLDEST_SERVER {
        return Err(misconfigured("PostgreSQL 15 or newer is needed"));
    }
    // Then someone else migrates; `check` tells whether they did.
    if facts.try_get("is_app_only")? {
        if !facts.try_get::<bool, _>("is_app")? {
            return Err(misconfigured(
                "the role of the database's URL is not a member of rustygpt_app: \
                 GRANT rustygpt_app TO it",
            ));
        }
        return Ok(());
    }
    if pending(&mut connection).await?.is_empty() {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql(include_str!("sql/roles.sql"))
        .execute(&mut *tx)
        .await
        .map_err(|error| StoreError::Misconfigured {
            what: "the roles rustygpt_owner and rustygpt_app or the schema rustygpt cannot be \
                   made; an administrator of the database can, by rustygpt's sql/roles.sql"
                .to_owned(),
            cause: Some(Box::new(error)),
        })?;
    sqlx::raw_sql("SET LOCAL ROLE rustygpt_owner; SET LOCAL search_path = rustygpt, pg_temp")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql(include_str!("sql/ledger.sql"))
        .execute(&mut *tx)
        .await?;
    // Someone else may have been quicker: under the lock it is read again.
    for migration in pending(&mut tx).await? {
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO rustygpt.migrations (version, digest) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(migration.digest())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::raw_sql(include_str!("sql/seal.sql"))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

/// What is still to be applied, read by a member of the owner's role.
async fn pending(connection: &mut PgConnection) -> StoreResult<&'static [Migration]> {
    let ledger: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('rustygpt.migrations')::text")
            .fetch_one(&mut *connection)
            .await?;
    if ledger.is_none() {
        return Ok(&MIGRATIONS);
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, digest FROM rustygpt.migrations ORDER BY version")
            .fetch_all(connection)
            .await?;
    migrations::pending(&MIGRATIONS, &applied)
}

/// Refuses to begin on a schema that is not this program's, or whose guards are off.
pub(super) async fn check(store: &PostgresStore) -> StoreResult<()> {
    let bypassing: Vec<String> = sqlx::query_scalar(
        "SELECT rolname::text FROM pg_roles
         WHERE rolname IN ('rustygpt_owner', 'rustygpt_app') AND (rolsuper OR rolbypassrls)",
    )
    .fetch_all(&store.pool)
    .await?;
    if !bypassing.is_empty() {
        let who = bypassing.join(", ");
        return Err(misconfigured(format!(
            "row-level security does not bind {who}"
        )));
    }
    let missing: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM unnest($1) AS name
         WHERE to_regproc('rustygpt.' || name) IS NULL
             OR NOT has_function_privilege(to_regproc('rustygpt.' || name), 'EXECUTE')",
    )
    .bind(PROCEDURES)
    .fetch_all(&store.pool)
    .await?;
    if !missing.is_empty() {
        let names = missing.join(", ");
        return Err(misconfigured(format!(
            "procedures of the schema rustygpt are missing: {names}; run `rustygpt migrate` as \
             a role that is a member of rustygpt_owner"
        )));
    }
    let rows = store
        .call(Principal::Server, || {
            sqlx::query("SELECT * FROM rustygpt.migration_list_v1()")
        })
        .await?;
    let applied = rows
        .iter()
        .map(|row| Ok((row.try_get("version")?, row.try_get("digest")?)))
        .collect::<Result<Vec<(i64, Vec<u8>)>, sqlx::Error>>()?;
    match migrations::pending(&MIGRATIONS, &applied)? {
        [] => Ok(()),
        _ => Err(misconfigured(
            "the schema is older than this program; run `rustygpt migrate` as a role that is a \
             member of rustygpt_owner",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_procedure_that_is_called_is_checked_at_start_up() {
        let sources = [
            include_str!("mod.rs"),
            include_str!("accounts.rs"),
            include_str!("api_keys.rs"),
            include_str!("audit.rs"),
            include_str!("codes.rs"),
            include_str!("identities.rs"),
            include_str!("schedules.rs"),
            include_str!("sessions.rs"),
            include_str!("settings.rs"),
            include_str!("tasks.rs"),
            include_str!("usage.rs"),
            include_str!("schema.rs"),
        ];
        let called: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.split("rustygpt.").skip(1))
            .filter_map(|rest| rest.split_once('('))
            .map(|(name, _)| name)
            .filter(|name| name.contains("_v") && !name.contains(char::is_whitespace))
            .collect();
        assert_eq!(called, PROCEDURES.iter().copied().collect());
    }

    #[test]
    fn landed_migrations_are_never_edited() {
        // One line per migration, added with it and never changed.
        let landed = [
            "ee5d18ce5b9ff25a5b669b53ba8df6606ea8096027bd555812c933545e62c74a",
            "583d512a41b8f1f607aee2b2d99373f4a80ca89522861f722226a6019864d34f",
        ];
        let digests: Vec<String> = MIGRATIONS.iter().map(Migration::digest_text).collect();
        assert_eq!(digests, landed);
    }
}
