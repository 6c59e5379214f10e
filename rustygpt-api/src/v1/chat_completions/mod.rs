//! `POST /v1/chat/completions`.

mod blocking;
mod meter;
mod stream;
mod validate;
mod wire;

use crate::caller::Asker;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::middleware::{IGNORED, Record};
use crate::sse;
use crate::state::ApiState;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderValue;
use meter::Meter;
use rustygpt_common::openai::{ChatCompletion, ChatRequest, ErrorEnvelope};
use rustygpt_orchestrator::chat;
use std::time::Instant;
use wire::Head;

/// Longest list of parameter names sent back.
const IGNORED_NAMES: usize = 32;

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
        (status = 503, description = "The model is not running.", body = ErrorEnvelope),
    ))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Asker(caller): Asker,
    Extension(record): Extension<Record>,
    body: JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let start = Instant::now();
    let validated = validate::validate(body.value, &body.text)?;
    let is_stream = validated.stream.is_some();
    record.note(|facts| facts.is_stream = Some(is_stream));
    let answer =
        chat::complete(&state.models, &caller, &validated.model, validated.request).await?;
    let mut ignored = validated.ignored;
    ignored.extend(
        answer
            .generation
            .notes()
            .iter()
            .map(|note| parameter_name(note)),
    );
    ignored.sort();
    ignored.dedup();
    ignored.truncate(IGNORED_NAMES);
    let prompt_tokens = answer.generation.prompt_tokens();
    record.note(|facts| {
        facts.model = Some(answer.model.clone());
        facts.prompt_tokens = Some(u64::from(prompt_tokens));
        facts.completion_tokens = Some(0);
        facts.ignored.clone_from(&ignored);
    });
    let head = Head {
        id: (state.new_id)("chatcmpl-").map_err(ApiError::internal)?,
        created: state.clock.unix_seconds(),
        model: answer.model,
        fingerprint: answer.fingerprint,
    };
    let meter = Meter::new(&state.measurements, &head.model, record, start);
    let mut response = match validated.stream {
        Some(options) => {
            let ending = state.ending.clone();
            let events = stream::ChunkStream::new(
                head,
                answer.generation,
                meter,
                validated.choices,
                &options,
                ending,
            );
            sse::respond(events, state.limits.keep_alive)
        }
        None => {
            let collected = blocking::collect(
                head,
                answer.generation,
                meter,
                validated.choices,
                validated.wants_logprobs,
            );
            tokio::select! {
                completion = collected => Json(completion?).into_response(),
                () = state.ending.cancelled() => return Err(ApiError::stopping()),
            }
        }
    };
    if !ignored.is_empty()
        && let Ok(names) = HeaderValue::from_str(&ignored.join(", "))
    {
        response.headers_mut().insert(IGNORED, names);
    }
    Ok(response)
}

/// The parameter that a note of the engine begins with.
fn parameter_name(note: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    note.chars().take_while(|&c| is_part(c)).take(64).collect()
}
