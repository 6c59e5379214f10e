//! `/api/admin/audit`: the audit log, and files of it.

use super::admin::query;
use super::views;
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use rustygpt_common::accounts::{AuditFileView, AuditView, Problem, TaskView};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_orchestrator::accounts::{AuditFilter, Page};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

/// Which entries of the audit log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditPart {
    #[serde(default)]
    after: i64,
    limit: Option<u32>,
    #[serde(default)]
    action: String,
}

/// A part of the audit log, in its order.
#[utoipa::path(get, path = "/api/admin/audit", tag = "admin", operation_id = "list_audit",
    params(("after" = Option<i64>, Query, description = "Those after this sequence."),
        ("limit" = Option<u32>, Query, description = "How many at most."),
        ("action" = Option<String>, Query, description = "Those whose action begins with this.")),
    responses((status = 200, description = "The entries.", body = Vec<AuditView>)))]
pub(crate) async fn list(
    desk: Desk,
    Asker(caller): Asker,
    part: Result<Query<AuditPart>, QueryRejection>,
) -> Result<Json<Vec<AuditView>>, ApiError> {
    let part = query(part)?;
    let filter = AuditFilter {
        after: part.after,
        limit: part.limit.unwrap_or(Page::FIRST.limit),
        action_prefix: part.action,
    };
    let entries = desk.accounts.audit(&caller, filter).await?;
    Ok(Json(entries.into_iter().map(views::audit).collect()))
}

/// Has the audit log written into a file, by a task. When that is done, the file is
/// `export-TASK.jsonl`, which `rustygpt audit verify --file` can check.
#[utoipa::path(post, path = "/api/admin/audit/exports", tag = "admin", operation_id = "export_audit",
    responses((status = 200, description = "The task.", body = TaskView)))]
pub(crate) async fn export(desk: Desk, Asker(caller): Asker) -> Result<Json<TaskView>, ApiError> {
    let task = desk.accounts.export_audit(&caller, &desk.whence).await?;
    Ok(Json(views::task(task)))
}

/// Lists the files of the audit log on this server: exports, and archives of what has left the
/// store.
#[utoipa::path(get, path = "/api/admin/audit/exports", tag = "admin", operation_id = "list_audit_files",
    responses((status = 200, description = "The files, by name.", body = Vec<AuditFileView>)))]
pub(crate) async fn list_files(
    desk: Desk,
    Asker(caller): Asker,
) -> Result<Json<Vec<AuditFileView>>, ApiError> {
    let files = desk.accounts.audit_files(&caller).await?;
    Ok(Json(files.into_iter().map(views::audit_file).collect()))
}

/// Downloads a file of the audit log.
#[utoipa::path(get, path = "/api/admin/audit/exports/{name}", tag = "admin", operation_id = "download_audit_file",
    params(("name" = String, Path, description = "The file.")),
    responses((status = 200, description = "One JSON object per line.", body = String, content_type = "application/jsonl"),
        (status = 404, description = "There is no such file.", body = Problem)))]
pub(crate) async fn download(
    desk: Desk,
    Asker(caller): Asker,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(name) =
        name.map_err(|_| ApiError::new(ErrorCode::NotFound, "There is no such file."))?;
    let file = desk.accounts.open_audit_file(&caller, &name).await?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/jsonl"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
