//! `POST /v1/tokenize`, `/v1/detokenize` and `/v1/apply-template`.

use super::chat_completions::validate::{self, invalid, missing};
use crate::answer::Asking;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use axum::Json;
use rustygpt_common::openai::{
    ChatRequest, DetokenizeRequest, DetokenizeResponse, ErrorEnvelope, RenderedPrompt,
    TokenizeRequest, TokenizeResponse,
};
use rustygpt_model::contract::Input;
use rustygpt_orchestrator::tokens;

/// Splits a text, or a conversation as the model's template renders it, into tokens.
#[utoipa::path(post, path = "/v1/tokenize", tag = "inference", operation_id = "tokenize",
    request_body(content = TokenizeRequest, example = json!({"model": "qwen", "prompt": "Hello"})),
    responses(
        (status = 200, description = "The tokens.", body = TokenizeResponse),
        (status = 400, description = "The request is not as it must be.", body = ErrorEnvelope),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
        (status = 404, description = "There is no such model.", body = ErrorEnvelope),
        (status = 503, description = "The model cannot be loaded.", body = ErrorEnvelope),
    ))]
pub(crate) async fn tokenize(
    asking: Asking,
    body: JsonBody<TokenizeRequest>,
) -> Result<Json<TokenizeResponse>, ApiError> {
    let TokenizeRequest {
        model,
        prompt,
        messages,
        tools,
        add_special_tokens,
        return_token_strs,
    } = body.value;
    let conversation = match (&prompt, messages) {
        (Some(_), Some(_)) => {
            return Err(invalid("messages", "cannot stand beside `prompt`"));
        }
        (None, None) => return Err(missing("prompt")),
        (Some(_), None) => None,
        (None, Some(messages)) => Some(conversation(ChatRequest {
            messages,
            tools,
            ..ChatRequest::default()
        })?),
    };
    let lease = asking.lease(&model).await?;
    let tokens = match (conversation, prompt.unwrap_or_default()) {
        (Some(conversation), _) => tokens::prompt(&lease, conversation).await?,
        (None, text) if add_special_tokens == Some(false) => tokens::encode(&lease, &text)?,
        (None, text) => tokens::prompt(&lease, Input::Text(text)).await?,
    };
    let names = return_token_strs.unwrap_or(false);
    Ok(Json(TokenizeResponse {
        count: tokens.len(),
        max_model_len: lease.model().description().context_length,
        token_strs: names.then(|| tokens::names(&lease, &tokens)).transpose()?,
        tokens,
    }))
}

/// Joins tokens to a text.
#[utoipa::path(post, path = "/v1/detokenize", tag = "inference", operation_id = "detokenize",
    request_body(content = DetokenizeRequest, example = json!({"model": "qwen", "tokens": [9707]})),
    responses(
        (status = 200, description = "The text.", body = DetokenizeResponse),
        (status = 400, description = "The request is not as it must be.", body = ErrorEnvelope),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
        (status = 404, description = "There is no such model.", body = ErrorEnvelope),
        (status = 503, description = "The model cannot be loaded.", body = ErrorEnvelope),
    ))]
pub(crate) async fn detokenize(
    asking: Asking,
    body: JsonBody<DetokenizeRequest>,
) -> Result<Json<DetokenizeResponse>, ApiError> {
    let DetokenizeRequest { model, tokens } = body.value;
    let lease = asking.lease(&model).await?;
    let prompt = tokens::decode(&lease, &tokens)?;
    Ok(Json(DetokenizeResponse { prompt }))
}

/// Renders a conversation as its model reads it. Nothing is computed with it.
#[utoipa::path(post, path = "/v1/apply-template", tag = "inference", operation_id = "apply_template",
    request_body(content = ChatRequest, example = json!({
        "model": "qwen", "messages": [{"role": "user", "content": "Hello"}]
    })),
    responses(
        (status = 200, description = "What the model would read.", body = RenderedPrompt),
        (status = 400, description = "The request is not as it must be.", body = ErrorEnvelope),
        (status = 401, description = "No key, or a wrong one.", body = ErrorEnvelope),
        (status = 404, description = "There is no such model.", body = ErrorEnvelope),
        (status = 503, description = "The model cannot be loaded.", body = ErrorEnvelope),
    ))]
pub(crate) async fn apply_template(
    asking: Asking,
    body: JsonBody<ChatRequest>,
) -> Result<Json<RenderedPrompt>, ApiError> {
    let model = body.value.model.clone();
    let conversation = conversation(body.value)?;
    let lease = asking.lease(&model).await?;
    let prompt = tokens::rendered(&lease, conversation).await?;
    Ok(Json(RenderedPrompt { prompt }))
}

/// What the engine would be asked to read.
fn conversation(request: ChatRequest) -> Result<Input, ApiError> {
    Ok(validate::validate(request, Vec::new())?.request.input)
}
