//! Anthropic's dialect: `POST /v1/messages` and `POST /v1/messages/count_tokens`.
//!
//! A request becomes the one OpenAI's dialect knows and is checked there; answers are written from
//! the same events.

mod stream;
mod translate;
mod whole;
mod wire;

use crate::answer::{Asking, Question, streamed, whole};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::v1::chat_completions::validate::Validated;
use axum::Json;
use axum::response::Response;
use rustygpt_common::anthropic::{CountTokensResponse, ErrorResponse, Message, MessagesRequest};
use rustygpt_orchestrator::tokens;
use stream::EventWriter;
use translate::translate;

/// Answers a conversation in Anthropic's dialect.
///
/// With `stream` the answer comes as server-sent events, named as their `type` says.
#[utoipa::path(post, path = "/v1/messages", tag = "anthropic", operation_id = "create_message",
    request_body(content = MessagesRequest, example = json!({
        "model": "qwen", "max_tokens": 256, "messages": [{"role": "user", "content": "Why is the sky blue?"}]
    })),
    responses(
        (status = 200, description = "The answer.", content(
            (Message = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 400, description = "The request is not as it must be.", body = ErrorResponse),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 408, description = "The body took too long.", body = ErrorResponse),
        (status = 413, description = "The body is too large.", body = ErrorResponse),
        (status = 415, description = "The body is not plain JSON.", body = ErrorResponse),
        (status = 429, description = "The queue is full.", body = ErrorResponse),
        (status = 500, description = "The server failed.", body = ErrorResponse),
        (status = 503, description = "The model is not running, or cannot be loaded.", body = ErrorResponse),
    ))]
pub(crate) async fn create(
    asking: Asking,
    body: JsonBody<MessagesRequest>,
) -> Result<Response, ApiError> {
    if body.value.max_tokens.is_none() {
        return Err(crate::v1::chat_completions::validate::missing("max_tokens"));
    }
    let is_stream = body.value.stream.unwrap_or(false);
    let Validated {
        model,
        request,
        ignored,
        ..
    } = translate(body.value)?;
    let question = Question::one(model, "msg_", request, ignored);
    if is_stream {
        streamed(asking, question, |opened| {
            EventWriter::new(opened.head.clone())
        })
        .await
    } else {
        whole(asking, question, whole::message).await
    }
}

/// Counts the tokens that a conversation has for its model. Nothing is computed with them.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "anthropic", operation_id = "count_message_tokens",
    request_body(content = MessagesRequest, example = json!({
        "model": "qwen", "messages": [{"role": "user", "content": "Why is the sky blue?"}]
    })),
    responses(
        (status = 200, description = "The number of tokens.", body = CountTokensResponse),
        (status = 400, description = "The request is not as it must be.", body = ErrorResponse),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 503, description = "The model cannot be loaded.", body = ErrorResponse),
    ))]
pub(crate) async fn count_tokens(
    asking: Asking,
    body: JsonBody<MessagesRequest>,
) -> Result<Json<CountTokensResponse>, ApiError> {
    let Validated { model, request, .. } = translate(body.value)?;
    let lease = asking.lease(&model).await?;
    let tokens = tokens::prompt(&lease, request.input).await?;
    Ok(Json(CountTokensResponse {
        input_tokens: u32::try_from(tokens.len()).unwrap_or(u32::MAX),
    }))
}
