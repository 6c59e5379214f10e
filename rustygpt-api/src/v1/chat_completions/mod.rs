//! `POST /v1/chat/completions`.

mod blocking;
mod meter;
mod opening;
mod stream;
mod validate;
mod wire;

use crate::caller::{Asker, Ending};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::middleware::{IGNORED, Record};
use crate::sse;
use crate::state::ApiState;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderValue;
use opening::{Asking, LateStream, Opened};
use rustygpt_common::openai::{ChatCompletion, ChatRequest, ErrorEnvelope};
use std::time::{Duration, Instant};
use stream::ChunkStream;

/// How long a stream waits for its model before its headers go out: what fails within this time
/// fails with a status code.
const HEADERS_WITHIN: Duration = Duration::from_secs(1);

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
    State(state): State<ApiState>,
    Asker(caller): Asker,
    ending: Ending,
    Extension(record): Extension<Record>,
    body: JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let start = Instant::now();
    let validated = validate::validate(body.value, &body.text)?;
    let is_stream = validated.stream.is_some();
    record.note(|facts| facts.is_stream = Some(is_stream));
    let (model, request, ignored) = (validated.model, validated.request, validated.ignored);
    let choices = validated.choices;
    let asking = Asking {
        state: state.clone(),
        caller,
        ending: ending.clone(),
        record,
        start,
    };
    let mut leasing = Box::pin(asking.clone().lease(model));
    let Some(options) = validated.stream else {
        let Opened {
            head,
            speech,
            meter,
            ignored,
        } = asking.open(leasing.await?, request, ignored).await?;
        let collected = blocking::collect(head, speech, meter, choices, validated.wants_logprobs);
        let response = tokio::select! {
            completion = collected => Json(completion?).into_response(),
            () = ending.token().cancelled() => return Err(ending.reason().0),
        };
        return Ok(with_ignored(response, &ignored));
    };
    let keep_alive = state.limits.keep_alive;
    let begin = move |opened: Opened| {
        let Opened {
            head,
            speech,
            meter,
            ..
        } = opened;
        ChunkStream::new(head, speech, meter, choices, &options, ending)
    };
    match tokio::time::timeout(HEADERS_WITHIN.min(keep_alive), &mut leasing).await {
        Ok(lease) => {
            let opened = asking.open(lease?, request, ignored).await?;
            let ignored = opened.ignored.clone();
            let response = sse::respond(begin(opened), keep_alive);
            Ok(with_ignored(response, &ignored))
        }
        // The model is being loaded. A client that hears nothing would give up.
        Err(_) => {
            let (known, record) = (ignored.clone(), asking.record.clone());
            let opening = async move {
                let lease = leasing.await?;
                Ok(begin(asking.open(lease, request, ignored).await?))
            };
            let events = LateStream::new(Box::pin(opening), record);
            Ok(with_ignored(sse::respond(events, keep_alive), &known))
        }
    }
}

/// Names the parameters that had no effect or a different one.
fn with_ignored(mut response: Response, ignored: &[String]) -> Response {
    if !ignored.is_empty()
        && let Ok(names) = HeaderValue::from_str(&ignored.join(", "))
    {
        response.headers_mut().insert(IGNORED, names);
    }
    response
}
