//! Records as procedures take them: JSON objects of the columns' names.

use crate::store::{Act, Identity, NewAccount, NewApiKey, NewSession, NewTask};
use crate::words::{self, Word, scopes_text};
use serde_json::{Value, json};

pub(super) fn task(task: &NewTask) -> Value {
    json!({
        "id": task.id.to_string(),
        "kind": task.kind,
        "payload": task.payload,
        "account": task.account.map(|id| id.to_string()),
        "priority": task.priority,
        "run_at": task.run_at.0,
        "max_attempts": task.max_attempts,
        "idempotency_key": task.idempotency_key,
    })
}

pub(super) fn tasks(tasks: &[NewTask]) -> String {
    Value::from(tasks.iter().map(task).collect::<Vec<_>>()).to_string()
}

pub(super) fn act(act: &Act) -> String {
    json!({
        "at": act.at.0,
        "principal": words::principal_word(act.by),
        "account": act.by.account().map(|id| id.to_string()),
        "action": act.action,
        "object": act.object,
        "request": act.request,
        "address": act.address,
        "detail": act.detail,
        "tasks": act.tasks.iter().map(task).collect::<Vec<_>>(),
    })
    .to_string()
}

pub(super) fn account(account: &NewAccount) -> String {
    json!({
        "id": account.id.to_string(),
        "email": account.email,
        "is_email_verified": account.is_email_verified,
        "name": account.name,
        "role": account.role.word(),
        "password_hash": account.password_hash,
    })
    .to_string()
}

pub(super) fn identity(identity: &Identity) -> String {
    json!({
        "issuer": identity.issuer,
        "subject": identity.subject,
        "account": identity.account.to_string(),
        "email": identity.email,
        "linked_at": identity.linked_at.0,
    })
    .to_string()
}

pub(super) fn session(session: &NewSession) -> String {
    json!({
        "id": session.id.to_string(),
        "account": session.account.to_string(),
        "address": session.address,
        "user_agent": session.user_agent,
        "expires_at": session.expires_at.0,
    })
    .to_string()
}

pub(super) fn api_key(key: &NewApiKey) -> String {
    json!({
        "id": key.id.to_string(),
        "account": key.account.to_string(),
        "name": key.name,
        "hint": key.hint,
        "scopes": scopes_text(&key.scopes),
        "expires_at": key.expires_at.map(|at| at.0),
        "requests_per_minute": key.requests_per_minute,
        "quota_tokens": key.quota.map(|quota| words::saturated(quota.tokens)),
        "quota_period": key.quota.map(|quota| quota.period.word()),
    })
    .to_string()
}
