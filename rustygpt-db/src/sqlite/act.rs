//! What every act does beside its own: the audit log, follow-up tasks, the access revision.

use super::row;
use crate::audit_chain::entry_hash;
use crate::faults::taken;
use crate::store::{
    Act, AuditEntry, Conflict, Enqueued, NewTask, Outcome, StoreResult, TaskId, Timestamp,
};
use crate::words::{self, Word};
use sqlx::{Row, SqliteConnection};

/// Enqueues the act's tasks and appends it to the audit log.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    act: &Act,
    outcome: Outcome,
) -> StoreResult<()> {
    for task in &act.tasks {
        enqueue(connection, task, act.at).await?;
    }
    append(connection, act, outcome).await
}

async fn append(connection: &mut SqliteConnection, act: &Act, outcome: Outcome) -> StoreResult<()> {
    let head = sqlx::query("SELECT * FROM audit_head")
        .fetch_one(&mut *connection)
        .await?;
    let head = row::audit_head(&head)?;
    let mut entry = AuditEntry {
        sequence: head.last + 1,
        at: act.at,
        by: act.by,
        action: act.action.clone(),
        object: act.object.clone(),
        outcome,
        request: act.request.clone(),
        address: act.address.clone(),
        detail: act.detail.clone(),
        previous: head.last_hash,
        hash: [0; 32],
    };
    entry.hash = entry_hash(&entry);
    sqlx::query("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(entry.sequence)
        .bind(entry.at.0)
        .bind(words::principal_word(entry.by))
        .bind(entry.by.account().map(|id| id.0))
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(entry.outcome.word())
        .bind(&entry.request)
        .bind(&entry.address)
        .bind(&entry.detail)
        .bind(entry.previous.as_slice())
        .bind(entry.hash.as_slice())
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE audit_head SET last = ?, last_hash = ?")
        .bind(entry.sequence)
        .bind(entry.hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Enqueues one task.
pub(super) async fn enqueue(
    connection: &mut SqliteConnection,
    task: &NewTask,
    at: Timestamp,
) -> StoreResult<Enqueued> {
    if let Some(key) = &task.idempotency_key {
        let existing = sqlx::query("SELECT id FROM tasks WHERE kind = ? AND idempotency_key = ?")
            .bind(&task.kind)
            .bind(key)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(existing) = existing {
            return Ok(Enqueued::Existing(TaskId(existing.try_get("id")?)));
        }
    }
    sqlx::query(
        "INSERT INTO tasks (id, kind, payload, account, priority, run_at, max_attempts, tries,
             idempotency_key, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)",
    )
    .bind(task.id.0)
    .bind(&task.kind)
    .bind(&task.payload)
    .bind(task.account.map(|id| id.0))
    .bind(task.priority)
    .bind(task.run_at.0)
    .bind(i64::from(task.max_attempts))
    .bind(&task.idempotency_key)
    .bind(at.0)
    .execute(connection)
    .await
    .map_err(|error| taken(error, &[("tasks.id", Conflict::IdTaken)]))?;
    Ok(Enqueued::New(task.id))
}

/// Tells everyone who remembers who is who to forget it.
pub(super) async fn take_access_away(connection: &mut SqliteConnection) -> StoreResult<()> {
    sqlx::query("UPDATE access SET revision = revision + 1")
        .execute(connection)
        .await?;
    Ok(())
}
