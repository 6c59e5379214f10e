//! `POST /api/generate`.

use super::answers::Form;
use super::asked_name;
use super::chat::{answer, load};
use super::translate::{self, Generation};
use crate::answer::{Asking, Question};
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::response::Response;
use rustygpt_common::ollama::{ErrorResponse, GenerateRequest, GenerateResponse};

/// Goes on with a text in Ollama's dialect: line by line unless told otherwise.
#[utoipa::path(post, path = "/api/generate", tag = "ollama", operation_id = "ollama_generate",
    request_body(content = GenerateRequest, example = json!({
        "model": "qwen", "stream": false, "prompt": "Why is the sky blue?"
    })),
    responses(
        (status = 200, description = "The answer.", content(
            (GenerateResponse = "application/json"),
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
    body: JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    let mut request = body.value;
    request.model = asked_name(&asking, request.model);
    let is_empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    if is_empty(&request.prompt) && is_empty(&request.suffix) {
        return load(&asking, &request.model, Form::Generate).await;
    }
    let is_stream = request.stream.unwrap_or(true);
    let question = match translate::generate(request)? {
        Generation::Chat(validated) => {
            Question::one(validated.model, "", validated.request, validated.ignored)
        }
        Generation::Text(validated) => {
            let texts = validated.texts;
            Question {
                model: validated.model,
                id_prefix: "",
                ignored: validated.ignored,
                choices: texts.choices(),
                requests: Box::new(move |lease| texts.requests(lease)),
            }
        }
    };
    answer(asking, question, is_stream, Form::Generate).await
}
