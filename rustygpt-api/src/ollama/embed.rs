//! `POST /api/embed` and `POST /api/embeddings`.

use super::asked_name;
use crate::answer::Asking;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::v1::embeddings::embedded;
use axum::Json;
use rustygpt_common::ollama::{
    EmbedRequest, EmbedResponse, EmbeddingsRequest, EmbeddingsResponse, ErrorResponse,
};
use rustygpt_common::openai::{self, EmbeddingsInput, EmbeddingsItem, StringOrList};

/// Turns texts into vectors of length 1 in Ollama's dialect. A text that is too long is refused,
/// never cut.
#[utoipa::path(post, path = "/api/embed", tag = "ollama", operation_id = "ollama_embed",
    request_body(content = EmbedRequest, example = json!({
        "model": "minilm", "input": ["The sky is blue.", "Grass is green."]
    })),
    responses(
        (status = 200, description = "The vectors.", body = EmbedResponse),
        (status = 400, description = "The request is not as it must be.", body = ErrorResponse),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 503, description = "The model is not running.", body = ErrorResponse),
    ))]
pub(crate) async fn embed(
    asking: Asking,
    body: JsonBody<EmbedRequest>,
) -> Result<Json<EmbedResponse>, ApiError> {
    let EmbedRequest {
        model,
        input,
        dimensions,
    } = body.value;
    let input = match input {
        StringOrList::One(text) => EmbeddingsInput::Text(text),
        StringOrList::Many(texts) => {
            let items = texts.into_iter().map(EmbeddingsItem::Text);
            EmbeddingsInput::List(items.collect())
        }
    };
    let start = asking.start;
    let found = ask(asking, model, input, dimensions).await?;
    let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(Json(EmbedResponse {
        model: found.model,
        prompt_eval_count: found.embeddings.prompt_tokens,
        embeddings: found.embeddings.vectors,
        total_duration: took,
        load_duration: 0,
    }))
}

/// Turns one text into a vector of length 1, as older clients of Ollama ask for it.
#[utoipa::path(post, path = "/api/embeddings", tag = "ollama", operation_id = "ollama_embeddings",
    request_body(content = EmbeddingsRequest, example = json!({
        "model": "minilm", "prompt": "The sky is blue."
    })),
    responses(
        (status = 200, description = "The vector.", body = EmbeddingsResponse),
        (status = 400, description = "The request is not as it must be.", body = ErrorResponse),
        (status = 401, description = "No key, or a wrong one.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 503, description = "The model is not running.", body = ErrorResponse),
    ))]
pub(crate) async fn embeddings(
    asking: Asking,
    body: JsonBody<EmbeddingsRequest>,
) -> Result<Json<EmbeddingsResponse>, ApiError> {
    let EmbeddingsRequest { model, prompt } = body.value;
    let found = ask(asking, model, EmbeddingsInput::Text(prompt), None).await;
    let found = found.map_err(|error| error.renamed(&[("input", "prompt")]))?;
    let embedding = found.embeddings.vectors.into_iter().next();
    Ok(Json(EmbeddingsResponse {
        embedding: embedding.unwrap_or_default(),
    }))
}

async fn ask(
    asking: Asking,
    model: String,
    input: EmbeddingsInput,
    dimensions: Option<u32>,
) -> Result<rustygpt_orchestrator::embeddings::Embedded, ApiError> {
    let request = openai::EmbeddingsRequest {
        model: asked_name(&asking, model),
        input,
        encoding_format: None,
        dimensions,
        user: None,
    };
    Ok(embedded(&asking, request).await?.0)
}
