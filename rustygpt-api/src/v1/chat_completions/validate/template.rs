//! Variables of the chat template. The template itself is never taken from a request.

use super::invalid;
use crate::error::ApiError;
use rustygpt_common::openai::ChatRequest;
use rustygpt_model::contract::TemplateOptions;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names that the server sets itself.
const RESERVED: [&str; 10] = [
    "messages",
    "tools",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
    "bos_token",
    "eos_token",
    "chat_template",
    "strftime_now",
    "raise_exception",
];
const VARIABLES: usize = 64;
const EFFORT_BYTES: usize = 32;

pub(super) fn options(request: &ChatRequest) -> Result<TemplateOptions, ApiError> {
    let mut variables = BTreeMap::new();
    let effort = match (&request.reasoning_effort, &request.reasoning) {
        (Some(effort), _) => Some(("reasoning_effort", effort)),
        (None, Some(reasoning)) => reasoning.effort.as_ref().map(|e| ("reasoning.effort", e)),
        (None, None) => None,
    };
    if let Some((param, effort)) = effort {
        let is_word = effort
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if effort.is_empty() || effort.len() > EFFORT_BYTES || !is_word {
            return Err(invalid(
                param,
                "must be a word such as `low`, `medium` or `high`",
            ));
        }
        variables.insert("reasoning_effort".to_owned(), Value::from(effort.as_str()));
        if effort == "none" {
            variables.insert("enable_thinking".to_owned(), Value::Bool(false));
        }
    }
    if let Some(enable) = request.enable_thinking {
        variables.insert("enable_thinking".to_owned(), Value::Bool(enable));
    }
    // What names the template's own variables knows best.
    for (name, value) in request.chat_template_kwargs.iter().flatten() {
        if RESERVED.contains(&name.as_str()) {
            let param = format!("chat_template_kwargs.{name}");
            return Err(invalid(&param, "is set by the server"));
        }
        variables.insert(name.clone(), value.clone());
    }
    if variables.len() > VARIABLES {
        let message = format!("must have at most {VARIABLES} entries");
        return Err(invalid("chat_template_kwargs", message));
    }
    Ok(TemplateOptions {
        variables,
        continue_final_message: request.continue_final_message.unwrap_or(false),
    })
}
