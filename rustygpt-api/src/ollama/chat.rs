//! `POST /api/chat`.

use super::answers::{Form, LineWriter};
use super::{asked_name, translate};
use crate::answer::{Asking, Question, streamed, whole};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use axum::response::{IntoResponse, Response};
use rustygpt_common::ollama::{ChatRequest, ChatResponse, ErrorResponse};

/// Answers a conversation in Ollama's dialect: line by line unless told otherwise.
#[utoipa::path(post, path = "/api/chat", tag = "ollama", operation_id = "ollama_chat",
    request_body(content = ChatRequest, example = json!({
        "model": "qwen", "stream": false, "messages": [{"role": "user", "content": "Why is the sky blue?"}]
    })),
    responses(
        (status = 200, description = "The answer.", content(
            (ChatResponse = "application/json"),
            (String = "application/x-ndjson"),
        )),
        (status = 400, description = "The request is not as it must be.", body = ErrorResponse),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 429, description = "The queue is full.", body = ErrorResponse),
        (status = 500, description = "The server failed.", body = ErrorResponse),
        (status = 503, description = "The model is not running, or cannot be loaded.", body = ErrorResponse),
    ))]
pub(crate) async fn create(
    asking: Asking,
    body: JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let mut request = body.value;
    request.model = asked_name(&asking, request.model);
    if request.messages.is_empty() {
        return load(&asking, &request.model, Form::Chat).await;
    }
    let is_stream = request.stream.unwrap_or(true);
    let validated = translate::chat(request)?;
    let question = Question::one(validated.model, "", validated.request, validated.ignored);
    answer(asking, question, is_stream, Form::Chat).await
}

/// Loads the model, and nothing else.
pub(super) async fn load(asking: &Asking, model: &str, form: Form) -> Result<Response, ApiError> {
    let lease = asking.lease(model).await?;
    let id = &lease.model().description().id;
    let created = asking.state.clock.unix_seconds();
    Ok(Json(form.loaded(id, created, asking.start)).into_response())
}

/// Answers line by line or whole.
pub(super) async fn answer(
    asking: Asking,
    question: Question,
    is_stream: bool,
    form: Form,
) -> Result<Response, ApiError> {
    if is_stream {
        streamed(asking, question, move |opened| {
            LineWriter::new(form, opened)
        })
        .await
    } else {
        whole(asking, question, move |complete| form.whole(complete)).await
    }
}
