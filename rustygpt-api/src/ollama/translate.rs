//! A client's request becomes the one OpenAI's dialect knows, which checks it.

use crate::error::ApiError;
use crate::v1::chat_completions::validate::{Validated, invalid, unsupported, validate};
use crate::v1::completions::validate as completions;
use rustygpt_common::ollama::{ChatRequest, GenerateRequest, Message, Options, Think, ToolCall};
use rustygpt_common::openai::{
    self, Content, ContentPart, EmbeddingsInput, ImageUrl, JsonSchemaFormat, RequestMessage,
    RequestToolCall, RequestToolCallFunction, ResponseFormat,
};
use serde_json::Value;
use std::collections::VecDeque;

/// Fields that OpenAI's dialect calls otherwise.
const NAMES: [(&str, &str); 14] = [
    ("max_tokens", "options.num_predict"),
    ("temperature", "options.temperature"),
    ("top_k", "options.top_k"),
    ("top_p", "options.top_p"),
    ("min_p", "options.min_p"),
    ("typical_p", "options.typical_p"),
    ("stop", "options.stop"),
    ("repetition_penalty", "options.repeat_penalty"),
    ("presence_penalty", "options.presence_penalty"),
    ("frequency_penalty", "options.frequency_penalty"),
    ("response_format.json_schema.schema", "format"),
    ("response_format", "format"),
    ("reasoning_effort", "think"),
    ("seed", "options.seed"),
];

/// Checks a request to chat.
///
/// # Errors
/// 400 with the field at fault.
pub(super) fn chat(request: ChatRequest) -> Result<Validated, ApiError> {
    let ignored = ignored(request.options.as_ref(), request.keep_alive.as_ref());
    let mut calls = Calls::default();
    let messages = request.messages.into_iter().enumerate();
    let messages = messages.map(|(index, message)| one_message(index, message, &mut calls));
    let translated = openai::ChatRequest {
        messages: messages.collect::<Result<_, _>>()?,
        tools: request.tools,
        ..common(
            request.model,
            request.options,
            request.format,
            request.think,
        )?
    };
    validate(translated, ignored).map_err(|error| error.renamed(&NAMES))
}

/// What a request to generate asks.
pub(super) enum Generation {
    /// An answer to a person, by the model's template.
    Chat(Validated),
    /// To go on with a text, or to fill in what stands between two.
    Text(completions::Validated),
}

/// Checks a request to generate.
///
/// # Errors
/// 400 with the field at fault.
pub(super) fn generate(request: GenerateRequest) -> Result<Generation, ApiError> {
    let ignored = ignored(request.options.as_ref(), request.keep_alive.as_ref());
    if request
        .template
        .is_some_and(|template| !template.is_empty())
    {
        let message =
            "templates come with models, never from requests; `raw` reads a prompt as it is";
        return Err(unsupported("template", message));
    }
    let prompt = request.prompt.unwrap_or_default();
    let suffix = request.suffix.filter(|suffix| !suffix.is_empty());
    if request.raw.unwrap_or(false) || suffix.is_some() {
        if request.images.is_some_and(|images| !images.is_empty()) {
            return Err(unsupported("images", "bare texts have none"));
        }
        let common = common(request.model, request.options, request.format, None)?;
        let asked = completions::Asked {
            prompt: EmbeddingsInput::Text(prompt),
            suffix,
            n: None,
            best_of: None,
            echo: false,
            logprobs: None,
        };
        return completions::validate_texts(asked, common, ignored)
            .map(Generation::Text)
            .map_err(|error| error.renamed(&NAMES));
    }
    let mut messages = Vec::new();
    if let Some(system) = request.system.filter(|system| !system.is_empty()) {
        messages.push(said("system", system));
    }
    messages.push(RequestMessage {
        content: Some(content(prompt, request.images)),
        ..said("user", String::new())
    });
    let translated = openai::ChatRequest {
        messages,
        ..common(
            request.model,
            request.options,
            request.format,
            request.think,
        )?
    };
    let validated = validate(translated, ignored).map_err(|error| error.renamed(&NAMES))?;
    Ok(Generation::Chat(validated))
}

/// What all requests say alike.
fn common(
    model: String,
    options: Option<Options>,
    format: Option<Value>,
    think: Option<Think>,
) -> Result<openai::ChatRequest, ApiError> {
    let options = options.unwrap_or_default();
    let (enable_thinking, reasoning_effort) = match think {
        None => (None, None),
        Some(Think::Whether(whether)) => (Some(whether), None),
        Some(Think::Level(level)) => (Some(true), Some(level)),
    };
    Ok(openai::ChatRequest {
        model,
        // Below 0 Ollama means as much as there is.
        max_tokens: options
            .num_predict
            .and_then(|most| u64::try_from(most).ok())
            .map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        temperature: options.temperature,
        top_k: options.top_k,
        top_p: options.top_p,
        min_p: options.min_p,
        typical_p: options.typical_p,
        seed: options.seed,
        stop: options.stop,
        repetition_penalty: options.repeat_penalty,
        presence_penalty: options.presence_penalty,
        frequency_penalty: options.frequency_penalty,
        response_format: response_format(format)?,
        enable_thinking,
        reasoning_effort,
        ..openai::ChatRequest::default()
    })
}

fn response_format(format: Option<Value>) -> Result<Option<ResponseFormat>, ApiError> {
    let of_kind = |kind: &str, json_schema| {
        Some(ResponseFormat {
            kind: kind.to_owned(),
            json_schema,
            schema: None,
        })
    };
    match format {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text == "json" => Ok(of_kind("json_object", None)),
        Some(schema @ Value::Object(_)) => Ok(of_kind(
            "json_schema",
            Some(JsonSchemaFormat {
                schema: Some(schema),
                ..JsonSchemaFormat::default()
            }),
        )),
        Some(_) => Err(invalid("format", "must be `json` or a JSON Schema")),
    }
}

/// Parameters that have no effect.
fn ignored(options: Option<&Options>, keep_alive: Option<&Value>) -> Vec<String> {
    let mut ignored = Vec::new();
    if options.is_some_and(|options| options.num_ctx.is_some()) {
        ignored.push("options.num_ctx".to_owned());
    }
    if keep_alive.is_some_and(|keep_alive| !keep_alive.is_null()) {
        ignored.push("keep_alive".to_owned());
    }
    ignored
}

/// Calls that wait for their results: older clients name the function, not the call.
#[derive(Default)]
struct Calls {
    count: usize,
    waiting: VecDeque<(String, String)>,
}

impl Calls {
    fn made(&mut self, call: ToolCall) -> RequestToolCall {
        let id = call.id.unwrap_or_else(|| format!("call_{}", self.count));
        self.count += 1;
        let name = call.function.name;
        self.waiting.push_back((id.clone(), name.clone()));
        RequestToolCall {
            id: Some(id),
            kind: Some("function".to_owned()),
            function: Some(RequestToolCallFunction {
                name,
                arguments: Some(Value::Object(call.function.arguments).to_string()),
            }),
        }
    }

    /// The call that a result answers: the one it names, else the first that waits, of its
    /// function where that is told.
    fn answered(&mut self, id: Option<String>, name: Option<&str>) -> String {
        let found = self.waiting.iter().position(|(waiting, function)| {
            let is_this = id.as_ref().is_none_or(|id| id == waiting);
            is_this && name.is_none_or(|name| name == function)
        });
        let call = found.and_then(|index| self.waiting.remove(index));
        id.or(call.map(|(id, _)| id))
            .unwrap_or_else(|| "call".to_owned())
    }
}

fn one_message(
    index: usize,
    message: Message,
    calls: &mut Calls,
) -> Result<RequestMessage, ApiError> {
    let text = message.content.unwrap_or_default();
    match message.role.as_str() {
        "system" => Ok(said("system", text)),
        "user" => Ok(RequestMessage {
            content: Some(content(text, message.images)),
            ..said("user", String::new())
        }),
        "assistant" => {
            let made = message.tool_calls.into_iter().flatten();
            let made: Vec<RequestToolCall> = made.map(|call| calls.made(call)).collect();
            let has_only_calls = text.is_empty() && !made.is_empty();
            Ok(RequestMessage {
                content: (!has_only_calls).then_some(Content::Text(text)),
                tool_calls: Some(made).filter(|made| !made.is_empty()),
                reasoning_content: message.thinking.filter(|text| !text.is_empty()),
                ..said("assistant", String::new())
            })
        }
        "tool" => Ok(RequestMessage {
            tool_call_id: Some(calls.answered(message.tool_call_id, message.tool_name.as_deref())),
            name: message.tool_name,
            ..said("tool", text)
        }),
        _ => {
            let param = format!("messages[{index}].role");
            let message = "must be `system`, `user`, `assistant` or `tool`";
            Err(invalid(&param, message))
        }
    }
}

fn said(role: &str, text: String) -> RequestMessage {
    RequestMessage {
        role: role.to_owned(),
        content: Some(Content::Text(text)),
        ..RequestMessage::default()
    }
}

/// A text, with pictures where there are any.
fn content(text: String, images: Option<Vec<String>>) -> Content {
    let images = images.unwrap_or_default();
    if images.is_empty() {
        return Content::Text(text);
    }
    let mut parts = vec![ContentPart {
        kind: "text".to_owned(),
        text: Some(text),
        ..ContentPart::default()
    }];
    parts.extend(images.into_iter().map(|data| ContentPart {
        kind: "image_url".to_owned(),
        image_url: Some(ImageUrl {
            url: format!("data:;base64,{data}"),
        }),
        ..ContentPart::default()
    }));
    Content::Parts(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustygpt_model::contract::Input;
    use serde_json::json;

    fn translated(fields: &Value) -> Result<Validated, String> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = serde_json::from_value(body).unwrap();
        chat(request).map_err(|error| error.envelope().error.param.unwrap_or_default())
    }

    #[test]
    fn results_find_their_calls_by_name_or_in_order() {
        let call = |name: &str| json!({"function": {"name": name, "arguments": {}}});
        let result =
            |name: Option<&str>| json!({"role": "tool", "content": "x", "tool_name": name});
        let validated = translated(&json!({"messages": [
            {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b"), call("a")]},
            result(Some("b")), result(None), result(Some("a")), result(Some("a")),
        ]}));
        let Input::Chat { messages, .. } = validated.unwrap().request.input else {
            panic!("not a conversation");
        };
        let ids = messages
            .iter()
            .filter_map(|message| message.tool_call_id.as_deref());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["call_1", "call_0", "call_2", "call"]
        );
    }

    #[test]
    fn below_zero_means_as_much_as_there_is() {
        for (most, limit) in [
            (-1_i64, None),
            (-2, None),
            (7, Some(7)),
            (1 << 40, Some(u32::MAX)),
        ] {
            let validated = translated(&json!({"options": {"num_predict": most}})).unwrap();
            assert_eq!(validated.request.limits.max_tokens, limit, "{most}");
        }
    }

    #[test]
    fn fields_at_fault_are_called_as_this_dialect_calls_them() {
        for (fields, param) in [
            (
                json!({"options": {"temperature": 3}}),
                "options.temperature",
            ),
            (
                json!({"options": {"num_predict": 0}}),
                "options.num_predict",
            ),
            (
                json!({"options": {"repeat_penalty": 0}}),
                "options.repeat_penalty",
            ),
            (json!({"options": {"stop": [""]}}), "options.stop[0]"),
            (json!({"format": "xml"}), "format"),
            (json!({"format": 7}), "format"),
            (json!({"think": "very much"}), "think"),
            (json!({"messages": [{"role": "king"}]}), "messages[0].role"),
        ] {
            assert_eq!(translated(&fields).unwrap_err(), param, "{fields}");
        }
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let fields = json!({"options": {"num_ctx": 8192}, "keep_alive": "5m"});
        let ignored = translated(&fields).unwrap().ignored;
        assert_eq!(ignored, ["options.num_ctx", "keep_alive"]);
    }
}
