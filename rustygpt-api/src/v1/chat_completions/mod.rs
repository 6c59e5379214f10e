//! `POST /v1/chat/completions`.

mod blocking;
mod stream;
pub(crate) mod validate;
pub(crate) mod wire;

use crate::answer::{Asking, Question, streamed, whole};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::other_keys;
use axum::response::Response;
use rustygpt_common::openai::{ChatCompletion, ChatRequest, ErrorEnvelope};
use stream::ChunkWriter;
use validate::Validated;

/// Answers a conversation.
///
/// With `stream` the answer comes as server-sent events whose data are `chat.completion.chunk`
/// objects, ended by `[DONE]`.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "inference", operation_id = "create_chat_completion",
    request_body(content = ChatRequest, example = json!({
        "model": "qwen", "messages": [{"role": "user", "content": "Why is the sky blue?"}]
    })),
    responses(
        (status = 200, description = "The answer.", content(
            (ChatCompletion = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 400, description = "The request is not as it must be.", body = ErrorEnvelope),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
        (status = 404, description = "There is no such model.", body = ErrorEnvelope),
        (status = 408, description = "The body took too long.", body = ErrorEnvelope),
        (status = 413, description = "The body is too large.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 429, description = "The queue is full.", body = ErrorEnvelope),
        (status = 500, description = "The server failed.", body = ErrorEnvelope),
        (status = 503, description = "The model is not running, or cannot be loaded.", body = ErrorEnvelope),
    ))]
pub(crate) async fn create(
    asking: Asking,
    body: JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let ignored = other_keys::with_meaning(&body.text, &ChatRequest::KEYS);
    let Validated {
        model,
        request,
        stream,
        wants_logprobs,
        ignored,
    } = validate::validate(body.value, ignored)?;
    let choices = request.choices;
    let question = Question::one(model, "chatcmpl-", request, ignored);
    match stream {
        None => {
            whole(asking, question, |complete| {
                Ok(blocking::completion(complete, wants_logprobs))
            })
            .await
        }
        Some(options) => {
            streamed(asking, question, move |opened| {
                ChunkWriter::new(opened.head.clone(), choices, &options)
            })
            .await
        }
    }
}
