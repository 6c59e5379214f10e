//! `POST /v1/moderations`.

use crate::caller::Asker;
use crate::error::ApiError;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::ErrorEnvelope;
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::{Action, Thing, authorize};

/// Would judge texts. There is no classifier here, and made-up verdicts would be worse than none.
#[utoipa::path(post, path = "/v1/moderations", tag = "inference", operation_id = "create_moderation",
    responses(
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
        (status = 501, description = "There is no classifier.", body = ErrorEnvelope),
    ))]
pub(crate) async fn create(Asker(caller): Asker) -> Result<(), ApiError> {
    authorize(&caller, Action::View, Thing::Models).map_err(UseCaseError::from)?;
    Err(ApiError::new(
        ErrorCode::NotImplemented,
        "This server has no classifier to judge texts with; no text was looked at.",
    ))
}
