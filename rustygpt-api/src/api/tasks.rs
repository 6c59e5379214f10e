//! `/api/admin/tasks`: the queue of work that outlives a process.

use super::admin::query;
use super::{PathId, id_of, views};
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use rustygpt_common::accounts::{Problem, TaskView};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_orchestrator::accounts::{Page, TaskFilter, TaskId, TaskState};
use serde::Deserialize;

/// Which tasks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskPart {
    state: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    offset: u32,
    limit: Option<u32>,
}

fn state(name: &str) -> Result<TaskState, ApiError> {
    TaskState::named(name).ok_or_else(|| {
        let names = TaskState::ALL.map(TaskState::name).join(", ");
        let message = format!("There is no such state; there are: {names}.");
        ApiError::at(ErrorCode::InvalidValue, "state", message)
    })
}

/// Lists tasks, latest first.
#[utoipa::path(get, path = "/api/admin/tasks", tag = "admin", operation_id = "list_tasks",
    params(("state" = Option<String>, Query, description = "Those in this state: waiting, running, done, dead or cancelled."),
        ("kind" = Option<String>, Query, description = "Those of this kind."),
        ("offset" = Option<u32>, Query, description = "How many to leave out."),
        ("limit" = Option<u32>, Query, description = "How many at most.")),
    responses((status = 200, description = "The tasks.", body = Vec<TaskView>),
        (status = 400, description = "There is no such state.", body = Problem)))]
pub(crate) async fn list(
    desk: Desk,
    Asker(caller): Asker,
    part: Result<Query<TaskPart>, QueryRejection>,
) -> Result<Json<Vec<TaskView>>, ApiError> {
    let part = query(part)?;
    let page = Page {
        offset: part.offset,
        limit: part.limit.unwrap_or(Page::FIRST.limit),
    };
    let filter = TaskFilter {
        state: part.state.as_deref().map(state).transpose()?,
        kind: part.kind,
    };
    let tasks = desk.accounts.list_tasks(&caller, &filter, page).await?;
    Ok(Json(tasks.into_iter().map(views::task).collect()))
}

/// Shows a task.
#[utoipa::path(get, path = "/api/admin/tasks/{id}", tag = "admin", operation_id = "get_task",
    params(("id" = String, Path, description = "The task.")),
    responses((status = 200, description = "The task.", body = TaskView),
        (status = 404, description = "There is no such task.", body = Problem)))]
pub(crate) async fn show(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Json<TaskView>, ApiError> {
    let task = desk.accounts.find_task(&caller, TaskId(id_of(id)?)).await?;
    Ok(Json(views::task(task)))
}

/// Has a dead or cancelled task tried again.
#[utoipa::path(post, path = "/api/admin/tasks/{id}/retry", tag = "admin", operation_id = "retry_task",
    params(("id" = String, Path, description = "The task.")),
    responses((status = 200, description = "The task.", body = TaskView),
        (status = 409, description = "It is in another state.", body = Problem)))]
pub(crate) async fn retry(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Json<TaskView>, ApiError> {
    let id = TaskId(id_of(id)?);
    let task = desk.accounts.retry_task(&caller, id, &desk.whence).await?;
    Ok(Json(views::task(task)))
}

/// Cancels a task.
#[utoipa::path(post, path = "/api/admin/tasks/{id}/cancel", tag = "admin", operation_id = "cancel_task",
    params(("id" = String, Path, description = "The task.")),
    responses((status = 200, description = "The task.", body = TaskView),
        (status = 409, description = "It has ended.", body = Problem)))]
pub(crate) async fn cancel(
    desk: Desk,
    Asker(caller): Asker,
    id: PathId,
) -> Result<Json<TaskView>, ApiError> {
    let id = TaskId(id_of(id)?);
    let task = desk.accounts.cancel_task(&caller, id, &desk.whence).await?;
    Ok(Json(views::task(task)))
}
