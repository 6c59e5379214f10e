//! A client's request becomes a [`GenerateRequest`], or an error that names the field at fault.
//! Past this room nothing is checked again.

mod messages;
pub(in crate::v1) mod response_format;
pub(in crate::v1) mod sampling;
mod template;
mod tools;

use crate::error::ApiError;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::{ChatRequest, Content, Prediction, StreamOptions, StringOrList};
use rustygpt_model::contract::{CacheSalt, GenerateRequest, Input, Limits, Priority};

const CHOICES: u32 = 8;
pub(in crate::v1) const TOP_LOGPROBS: u32 = 20;
const STOP_STRINGS: usize = 16;
const STOP_TOKENS: usize = 1024;

/// A request in which everything is possible.
#[derive(Debug)]
pub(crate) struct Validated {
    /// The name of the model asked for.
    pub(crate) model: String,
    /// What the engine is asked.
    pub(crate) request: GenerateRequest,
    /// How to stream; `None` for a whole answer.
    pub(crate) stream: Option<StreamOptions>,
    /// Whether log-probabilities were asked for.
    pub(crate) wants_logprobs: bool,
    /// Parameters that have no effect or a different one.
    pub(crate) ignored: Vec<String>,
}

/// Checks every bound of a request. `ignored` are parameters known to have no effect.
///
/// # Errors
/// 400 with the field at fault.
pub(crate) fn validate(
    request: ChatRequest,
    mut ignored: Vec<String>,
) -> Result<Validated, ApiError> {
    refuse_other_modalities(&request)?;
    let choices = choices("n", request.n)?;
    let logprobs = logprobs(&request)?;
    let sampling = sampling::sampling(&request)?;
    let limits = limits(&request, &mut ignored)?;
    let stream = stream(&request, &mut ignored);
    let template = template::options(&request)?;
    let grammar = response_format::grammar(request.response_format)?;
    let (tools, tool_choice) =
        tools::tools(request.tools.unwrap_or_default(), request.tool_choice)?;
    let messages = messages::messages(request.messages, template.continue_final_message)?;
    let request_to_engine = GenerateRequest {
        input: Input::Chat {
            messages,
            tools,
            tool_choice,
            allows_parallel_calls: request.parallel_tool_calls.unwrap_or(true),
            template,
        },
        grammar,
        sampling,
        limits,
        choices,
        logprobs,
        prediction: request.prediction.map(prediction).transpose()?,
        priority: Priority::Interactive,
        deadline: None,
        // Set by the use-case from who is asking.
        cache_salt: CacheSalt::default(),
    };
    Ok(Validated {
        model: request.model,
        request: request_to_engine,
        stream,
        wants_logprobs: logprobs.is_some(),
        ignored,
    })
}

/// How many answers, given as `param`.
pub(in crate::v1) fn choices(param: &str, wanted: Option<u32>) -> Result<u32, ApiError> {
    let choices = wanted.unwrap_or(1);
    if (1..=CHOICES).contains(&choices) {
        return Ok(choices);
    }
    let message = format!("must be between 1 and {CHOICES}, not {choices}");
    Err(invalid(param, message))
}

/// There is no voice.
fn refuse_other_modalities(request: &ChatRequest) -> Result<(), ApiError> {
    let modalities = request.modalities.iter().flatten();
    if modalities.into_iter().any(|modality| modality != "text") {
        return Err(unsupported("modalities", "only `text` is supported"));
    }
    Ok(())
}

fn logprobs(request: &ChatRequest) -> Result<Option<u8>, ApiError> {
    let top = request.top_logprobs.unwrap_or(0);
    if top > TOP_LOGPROBS {
        let message = format!("must be between 0 and {TOP_LOGPROBS}, not {top}");
        return Err(invalid("top_logprobs", message));
    }
    if request.logprobs != Some(true) {
        return match top {
            0 => Ok(None),
            _ => Err(invalid("top_logprobs", "needs `logprobs` to be true")),
        };
    }
    Ok(u8::try_from(top).ok())
}

pub(in crate::v1) fn limits(
    request: &ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<Limits, ApiError> {
    let (param, max_tokens) = match (request.max_completion_tokens, request.max_tokens) {
        (Some(newer), older) => {
            if older.is_some_and(|older| older != newer) {
                ignored.push("max_tokens".to_owned());
            }
            ("max_completion_tokens", Some(newer))
        }
        (None, older) => ("max_tokens", older),
    };
    if max_tokens == Some(0) {
        return Err(invalid(param, "must be at least 1"));
    }
    let min_tokens = request.min_tokens.unwrap_or(0);
    if max_tokens.is_some_and(|most| min_tokens > most) {
        return Err(invalid(
            "min_tokens",
            format!("must not be larger than `{param}`"),
        ));
    }
    let stop = request
        .stop
        .clone()
        .map(StringOrList::into_list)
        .unwrap_or_default();
    if stop.len() > STOP_STRINGS {
        let message = format!("must be at most {STOP_STRINGS} strings, not {}", stop.len());
        return Err(invalid("stop", message));
    }
    if let Some(index) = stop.iter().position(String::is_empty) {
        return Err(invalid(&format!("stop[{index}]"), "must not be empty"));
    }
    let stop_token_ids = request.stop_token_ids.clone().unwrap_or_default();
    if stop_token_ids.len() > STOP_TOKENS {
        let message = format!(
            "must be at most {STOP_TOKENS} tokens, not {}",
            stop_token_ids.len()
        );
        return Err(invalid("stop_token_ids", message));
    }
    Ok(Limits {
        max_tokens,
        min_tokens,
        stop,
        stop_token_ids,
        ignore_eos: request.ignore_eos.unwrap_or(false),
    })
}

pub(in crate::v1) fn stream(
    request: &ChatRequest,
    ignored: &mut Vec<String>,
) -> Option<StreamOptions> {
    if request.stream == Some(true) {
        return Some(request.stream_options.clone().unwrap_or_default());
    }
    if request
        .stream_options
        .as_ref()
        .is_some_and(|options| options.include_usage == Some(true))
    {
        ignored.push("stream_options".to_owned());
    }
    None
}

fn prediction(prediction: Prediction) -> Result<String, ApiError> {
    match prediction.content {
        Content::Text(text) => Ok(text),
        Content::Parts(parts) => {
            let texts = parts.into_iter().enumerate().map(|(index, part)| {
                let param = format!("prediction.content[{index}].text");
                part.text.ok_or_else(|| missing(&param))
            });
            texts.collect()
        }
    }
}

/// A value of the right type that is impossible. `message` goes on from the field's name.
pub(crate) fn invalid(param: &str, message: impl AsRef<str>) -> ApiError {
    ApiError::at(
        ErrorCode::InvalidValue,
        param,
        format!("'{param}' {}.", message.as_ref()),
    )
}

/// Something that cannot be honoured. `message` says why.
pub(crate) fn unsupported(param: &str, message: &str) -> ApiError {
    let message = format!("'{param}' is not supported as given: {message}.");
    ApiError::at(ErrorCode::UnsupportedParameter, param, message)
}

pub(crate) fn missing(param: &str) -> ApiError {
    let message = format!("Missing required parameter: '{param}'.");
    ApiError::at(ErrorCode::MissingRequiredParameter, param, message)
}

#[cfg(test)]
mod tests;
