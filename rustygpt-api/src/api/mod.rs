//! `/api`: accounts and what belongs to them. Errors are problem documents (RFC 9457).

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod elsewhere;
pub(crate) mod identities;
pub(crate) mod keys;
pub(crate) mod second_factor;
pub(crate) mod sign_ins;
pub(crate) mod tasks;
pub(crate) mod usage;
mod views;

use crate::error::ApiError;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use rustygpt_common::error_code::ErrorCode;
use uuid::Uuid;

/// An id in a path.
type PathId = Result<Path<String>, PathRejection>;

/// The id that a path names. What is no id names nothing that there is.
fn id_of(path: PathId) -> Result<Uuid, ApiError> {
    let absent = || ApiError::new(ErrorCode::NotFound, "There is no such thing.");
    let Path(text) = path.map_err(|_| absent())?;
    Uuid::try_parse(&text).map_err(|_| absent())
}
