//! `POST /v1/embeddings`.

mod validate;

use crate::answer::Asking;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustygpt_common::openai::{
    EmbeddingsEntry, EmbeddingsInput, EmbeddingsItem, EmbeddingsRequest, EmbeddingsResponse,
    EmbeddingsUsage, EmbeddingsVector, ErrorEnvelope,
};
use rustygpt_orchestrator::embeddings::{self, Embedded};
pub(crate) use validate::Encoding;

/// Turns texts into vectors of length 1.
///
/// A text that is longer than the model's context is refused, never cut.
#[utoipa::path(post, path = "/v1/embeddings", tag = "inference", operation_id = "create_embedding",
    request_body(content = EmbeddingsRequest, example = json!({
        "model": "minilm", "input": ["The sky is blue.", "Grass is green."]
    })),
    responses(
        (status = 200, description = "The vectors.", body = EmbeddingsResponse),
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
    asking: Asking,
    body: JsonBody<EmbeddingsRequest>,
) -> Result<Json<EmbeddingsResponse>, ApiError> {
    // The texts are long; nothing below needs them as they came.
    drop(body.text);
    let (embedded, encoding) = embedded(&asking, body.value).await?;
    let prompt_tokens = embedded.embeddings.prompt_tokens;
    let vectors = embedded.embeddings.vectors.into_iter().zip(0..);
    let data = vectors.map(|(vector, index)| EmbeddingsEntry {
        object: "embedding".to_owned(),
        index,
        embedding: match encoding {
            Encoding::Float => EmbeddingsVector::Float(vector),
            Encoding::Base64 => EmbeddingsVector::Base64(base64(&vector)),
        },
    });
    Ok(Json(EmbeddingsResponse {
        object: "list".to_owned(),
        data: data.collect(),
        model: embedded.model,
        usage: EmbeddingsUsage {
            prompt_tokens,
            total_tokens: prompt_tokens,
        },
    }))
}

/// Has texts embedded, in whatever dialect they came, and notes what it cost.
///
/// # Errors
/// What refuses the request, in OpenAI's words.
pub(crate) async fn embedded(
    asking: &Asking,
    request: EmbeddingsRequest,
) -> Result<(Embedded, Encoding), ApiError> {
    let most_tokens = most_tokens(&request.input);
    let validated = validate::validate(request)?;
    let Asking {
        state,
        caller,
        ending,
        record,
        ..
    } = asking;
    record.note(|facts| facts.is_stream = Some(false));
    asking.set_aside(most_tokens).await?;
    let embedding = embeddings::embed(&state.models, caller, &validated.model, validated.request);
    let embedded = tokio::select! {
        embedded = embedding => embedded?,
        () = ending.token().cancelled() => return Err(ending.reason().0),
    };
    let prompt_tokens = embedded.embeddings.prompt_tokens;
    record.note(|facts| {
        facts.model = Some(embedded.model.clone());
        facts.prompt_tokens = Some(u64::from(prompt_tokens));
        facts.completion_tokens = Some(0);
    });
    Ok((embedded, validated.encoding))
}

/// How many tokens there can be: each has a byte at least.
fn most_tokens(input: &EmbeddingsInput) -> u64 {
    let length = match input {
        EmbeddingsInput::Text(text) => text.len(),
        EmbeddingsInput::List(items) => items
            .iter()
            .map(|item| match item {
                EmbeddingsItem::Text(text) => text.len(),
                EmbeddingsItem::Tokens(tokens) => tokens.len(),
                EmbeddingsItem::Token(_) => 1,
            })
            .sum(),
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}
