//! `POST /v1/completions`.

mod logprobs;
mod stream;
pub(crate) mod validate;
mod whole;

use crate::answer::{Asking, Question, streamed, whole};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::other_keys;
use axum::response::Response;
use rustygpt_common::openai::{Completion, CompletionRequest, ErrorEnvelope};
use stream::TextWriter;
use validate::Validated;

/// Goes on with texts, or fills in what stands between two.
///
/// With `stream` the answer comes as server-sent events whose data are objects of the same kind,
/// ended by `[DONE]`.
#[utoipa::path(post, path = "/v1/completions", tag = "inference", operation_id = "create_completion",
    request_body(content = CompletionRequest, example = json!({
        "model": "qwen", "prompt": "def add(a, b):\n    ", "suffix": "\n\nprint(add(1, 2))\n", "max_tokens": 64
    })),
    responses(
        (status = 200, description = "The answers.", content(
            (Completion = "application/json"),
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
    body: JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    let ignored = other_keys::with_meaning(&body.text, &CompletionRequest::KEYS);
    let Validated {
        model,
        texts,
        stream,
        ignored,
        form,
    } = validate::validate(body.value, ignored)?;
    let question = Question {
        model,
        id_prefix: "cmpl-",
        ignored,
        choices: texts.choices(),
        requests: Box::new(move |lease| texts.requests(lease)),
    };
    match stream {
        None => {
            whole(asking, question, |complete| {
                whole::completion(complete, &form)
            })
            .await
        }
        Some(options) => {
            streamed(asking, question, move |opened| {
                TextWriter::new(opened, &form, &options)
            })
            .await
        }
    }
}
