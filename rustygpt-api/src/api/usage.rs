//! `/api/admin/usage`: what everybody used.

use super::admin::query;
use super::views;
use crate::caller::{Asker, Desk};
use crate::error::ApiError;
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use rustygpt_common::accounts::{AccountUsageView, Problem};
use rustygpt_orchestrator::access::AccountId;
use rustygpt_orchestrator::accounts::{Page, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

/// Which part of what was used.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsagePart {
    account: Option<Uuid>,
    /// Seconds since 1970.
    #[serde(default)]
    from: i64,
    /// Seconds since 1970.
    until: Option<i64>,
    #[serde(default)]
    offset: u32,
    limit: Option<u32>,
}

/// Lists what was used, by account, key, model and day of UTC, earliest first.
#[utoipa::path(get, path = "/api/admin/usage", tag = "admin", operation_id = "list_usage",
    params(("account" = Option<String>, Query, description = "Of this account only."),
        ("from" = Option<i64>, Query, description = "Days from this moment on, in seconds since 1970."),
        ("until" = Option<i64>, Query, description = "Days before this moment."),
        ("offset" = Option<u32>, Query, description = "How many to leave out."),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 without it, 1000 at most.")),
    responses((status = 200, description = "The sums.", body = Vec<AccountUsageView>),
        (status = 400, description = "The query is wrong.", body = Problem)))]
pub(crate) async fn list(
    desk: Desk,
    Asker(caller): Asker,
    part: Result<Query<UsagePart>, QueryRejection>,
) -> Result<Json<Vec<AccountUsageView>>, ApiError> {
    let part = query(part)?;
    let time = |seconds: i64| Timestamp(seconds.saturating_mul(1000));
    let span = (
        time(part.from),
        part.until.map_or(Timestamp(i64::MAX), time),
    );
    let page = Page {
        offset: part.offset,
        limit: part.limit.unwrap_or(Page::FIRST.limit),
    };
    let account = part.account.map(AccountId);
    let days = desk.accounts.usage(&caller, account, span, page).await?;
    Ok(Json(days.into_iter().map(views::account_usage).collect()))
}
