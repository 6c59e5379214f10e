//! A client's request becomes the one OpenAI's dialect knows, which checks it.

use crate::error::ApiError;
use crate::v1::chat_completions::validate::{Validated, invalid, missing, unsupported, validate};
use rustygpt_common::anthropic::{
    InputBlock, InputContent, InputMessage, MessagesRequest, OutputConfig, OutputFormat, Source,
    Thinking, ToolChoice, ToolDefinition,
};
use rustygpt_common::openai::{
    self, ChatRequest, Content, ContentPart, FunctionDefinition, ImageUrl, JsonSchemaFormat,
    NamedFunction, RequestMessage, RequestTool, RequestToolCall, RequestToolCallFunction,
    ResponseFormat, StringOrList, ToolChoiceObject,
};
use serde_json::Value;

/// Fields that OpenAI's dialect calls otherwise.
const NAMES: [(&str, &str); 4] = [
    ("stop", "stop_sequences"),
    ("tool_choice.function.name", "tool_choice.name"),
    (
        "response_format.json_schema.schema",
        "output_config.format.schema",
    ),
    ("reasoning_effort", "output_config.effort"),
];

/// Checks a request and says it in the engine's words.
///
/// # Errors
/// 400 with the field at fault.
pub(super) fn translate(request: MessagesRequest) -> Result<Validated, ApiError> {
    let mut ignored = Vec::new();
    let enable_thinking = request
        .thinking
        .map(|thinking| thinks(&thinking, &mut ignored))
        .transpose()?;
    let mut messages = Vec::new();
    if let Some(system) = request.system {
        let text = texts("system", system)?.join("\n\n");
        messages.push(message("system", text));
    }
    if request.messages.is_empty() {
        return Err(invalid("messages", "must hold at least one message"));
    }
    for (index, message) in request.messages.into_iter().enumerate() {
        one_message(index, message, &mut messages)?;
    }
    // A last turn of the assistant's is the beginning of its answer.
    let continues = messages
        .last()
        .is_some_and(|last| last.role == "assistant" && last.tool_calls.is_none());
    let (tool_choice, parallel_tool_calls) = match request.tool_choice {
        Some(choice) => tool_choice(choice)?,
        None => (None, None),
    };
    let tools = request.tools.map(|tools| {
        let tools = tools.into_iter().enumerate();
        tools.map(|(index, tool)| one_tool(index, tool)).collect()
    });
    let OutputConfig { effort, format } = request.output_config.unwrap_or_default();
    let translated = ChatRequest {
        model: request.model,
        messages,
        max_tokens: request.max_tokens,
        stop: request.stop_sequences.map(StringOrList::Many),
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        tools: tools.transpose()?,
        tool_choice,
        parallel_tool_calls,
        response_format: format.map(response_format).transpose()?,
        reasoning_effort: effort.map(|effort| match effort.as_str() {
            "xhigh" | "max" => "high".to_owned(),
            _ => effort,
        }),
        // As Anthropic has it: nothing is thought unless asked for.
        enable_thinking: Some(enable_thinking.unwrap_or(false)),
        continue_final_message: continues.then_some(true),
        ..ChatRequest::default()
    };
    validate(translated, ignored).map_err(|error| error.renamed(&NAMES))
}

fn thinks(thinking: &Thinking, ignored: &mut Vec<String>) -> Result<bool, ApiError> {
    if thinking.budget_tokens.is_some() {
        ignored.push("thinking.budget_tokens".to_owned());
    }
    match thinking.kind.as_str() {
        "enabled" | "adaptive" | "between_tools" => Ok(true),
        "disabled" => Ok(false),
        _ => {
            let message = "must be `enabled`, `adaptive`, `between_tools` or `disabled`";
            Err(invalid("thinking.type", message))
        }
    }
}

fn response_format(format: OutputFormat) -> Result<ResponseFormat, ApiError> {
    if format.kind != "json_schema" {
        return Err(invalid(
            "output_config.format.type",
            "must be `json_schema`",
        ));
    }
    Ok(ResponseFormat {
        kind: format.kind,
        json_schema: Some(JsonSchemaFormat {
            schema: Some(
                format
                    .schema
                    .ok_or_else(|| missing("output_config.format.schema"))?,
            ),
            ..JsonSchemaFormat::default()
        }),
        schema: None,
    })
}

/// The texts of a content that may hold nothing else.
fn texts(at: &str, content: InputContent) -> Result<Vec<String>, ApiError> {
    let blocks = match content {
        InputContent::Text(text) => return Ok(vec![text]),
        InputContent::Blocks(blocks) => blocks,
    };
    let text = |(index, block): (usize, InputBlock)| {
        let at = format!("{at}[{index}]");
        match block.kind.as_str() {
            "text" => block.text.ok_or_else(|| missing(&format!("{at}.text"))),
            _ => Err(unsupported(
                &format!("{at}.type"),
                "only `text` blocks can be read here",
            )),
        }
    };
    blocks.into_iter().enumerate().map(text).collect()
}

fn message(role: &str, text: String) -> RequestMessage {
    RequestMessage {
        role: role.to_owned(),
        content: Some(Content::Text(text)),
        ..RequestMessage::default()
    }
}

/// Adds a turn: one message, or several where it holds results of calls.
fn one_message(
    index: usize,
    turn: InputMessage,
    messages: &mut Vec<RequestMessage>,
) -> Result<(), ApiError> {
    let at = format!("messages[{index}]");
    let blocks = match (turn.role.as_str(), turn.content) {
        (role @ ("user" | "assistant" | "system"), InputContent::Text(text)) => {
            messages.push(message(role, text));
            return Ok(());
        }
        ("system", content) => {
            let text = texts(&format!("{at}.content"), content)?.join("\n\n");
            messages.push(message("system", text));
            return Ok(());
        }
        ("user" | "assistant", InputContent::Blocks(blocks)) => blocks,
        _ => {
            let message = "must be `user` or `assistant`";
            return Err(invalid(&format!("{at}.role"), message));
        }
    };
    let blocks = blocks.into_iter().enumerate();
    let blocks = blocks.map(|(index, block)| (format!("{at}.content[{index}]"), block));
    if turn.role == "assistant" {
        messages.push(assistant(blocks)?);
        Ok(())
    } else {
        user(blocks, messages)
    }
}

fn user(
    blocks: impl Iterator<Item = (String, InputBlock)>,
    messages: &mut Vec<RequestMessage>,
) -> Result<(), ApiError> {
    let count = messages.len();
    let mut parts = Vec::new();
    for (at, block) in blocks {
        match block.kind.as_str() {
            "text" => {
                let text = block.text.ok_or_else(|| missing(&format!("{at}.text")))?;
                parts.push(ContentPart {
                    kind: "text".to_owned(),
                    text: Some(text),
                    ..ContentPart::default()
                });
            }
            "image" => {
                let source = block
                    .source
                    .ok_or_else(|| missing(&format!("{at}.source")))?;
                parts.push(image(&at, source)?);
            }
            "tool_result" => {
                push_parts(&mut parts, messages);
                messages.push(tool_result(&at, block)?);
            }
            _ => return Err(unreadable(&at)),
        }
    }
    if messages.len() == count && parts.is_empty() {
        messages.push(message("user", String::new()));
    }
    push_parts(&mut parts, messages);
    Ok(())
}

/// What a person said between results of calls.
fn push_parts(parts: &mut Vec<ContentPart>, messages: &mut Vec<RequestMessage>) {
    if !parts.is_empty() {
        messages.push(RequestMessage {
            role: "user".to_owned(),
            content: Some(Content::Parts(std::mem::take(parts))),
            ..RequestMessage::default()
        });
    }
}

fn image(at: &str, source: Source) -> Result<ContentPart, ApiError> {
    let url = match (source.kind.as_str(), source.url, source.data) {
        ("url", Some(url), _) => url,
        ("base64", _, Some(data)) => {
            let kind = source.media_type.unwrap_or_default();
            format!("data:{kind};base64,{data}")
        }
        ("url", None, _) => return Err(missing(&format!("{at}.source.url"))),
        ("base64", _, None) => return Err(missing(&format!("{at}.source.data"))),
        _ => {
            let message = "must be `base64` or `url`";
            return Err(invalid(&format!("{at}.source.type"), message));
        }
    };
    Ok(ContentPart {
        kind: "image_url".to_owned(),
        image_url: Some(ImageUrl { url }),
        ..ContentPart::default()
    })
}

fn tool_result(at: &str, block: InputBlock) -> Result<RequestMessage, ApiError> {
    let id = block
        .tool_use_id
        .ok_or_else(|| missing(&format!("{at}.tool_use_id")))?;
    let text = match block.content {
        Some(content) => texts(&format!("{at}.content"), content)?.join("\n"),
        None => String::new(),
    };
    Ok(RequestMessage {
        tool_call_id: Some(id),
        ..message("tool", text)
    })
}

fn assistant(
    blocks: impl Iterator<Item = (String, InputBlock)>,
) -> Result<RequestMessage, ApiError> {
    let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
    for (at, block) in blocks {
        let field = |name: &str| missing(&format!("{at}.{name}"));
        match block.kind.as_str() {
            "text" => text.push_str(&block.text.ok_or_else(|| field("text"))?),
            "thinking" => reasoning.push_str(&block.thinking.ok_or_else(|| field("thinking"))?),
            // Nobody here can read it.
            "redacted_thinking" => {}
            "tool_use" => calls.push(RequestToolCall {
                id: Some(block.id.ok_or_else(|| field("id"))?),
                kind: Some("function".to_owned()),
                function: Some(RequestToolCallFunction {
                    name: block.name.ok_or_else(|| field("name"))?,
                    arguments: block.input.map(|input| Value::Object(input).to_string()),
                }),
            }),
            _ => return Err(unreadable(&at)),
        }
    }
    let has_only_calls = text.is_empty() && !calls.is_empty();
    Ok(RequestMessage {
        role: "assistant".to_owned(),
        content: (!has_only_calls).then_some(Content::Text(text)),
        reasoning_content: Some(reasoning).filter(|text| !text.is_empty()),
        tool_calls: Some(calls).filter(|calls| !calls.is_empty()),
        ..RequestMessage::default()
    })
}

fn unreadable(at: &str) -> ApiError {
    unsupported(
        &format!("{at}.type"),
        "blocks of this type cannot be read in this turn",
    )
}

fn one_tool(index: usize, tool: ToolDefinition) -> Result<RequestTool, ApiError> {
    if tool.kind.as_deref().is_some_and(|kind| kind != "custom") {
        return Err(unsupported(
            &format!("tools[{index}].type"),
            "tools that run on the server are not here; only `custom` ones can be called",
        ));
    }
    Ok(RequestTool {
        kind: Some("function".to_owned()),
        function: Some(FunctionDefinition {
            name: tool.name,
            description: tool.description,
            parameters: tool.input_schema,
            strict: None,
        }),
    })
}

/// Which tools may be called, and whether several at once.
fn tool_choice(choice: ToolChoice) -> Result<(Option<openai::ToolChoice>, Option<bool>), ApiError> {
    let mode = |mode: &str| openai::ToolChoice::Mode(mode.to_owned());
    let translated = match choice.kind.as_str() {
        "auto" => mode("auto"),
        "any" => mode("required"),
        "none" => mode("none"),
        "tool" => openai::ToolChoice::Object(ToolChoiceObject {
            kind: "function".to_owned(),
            function: Some(NamedFunction {
                name: choice.name.ok_or_else(|| missing("tool_choice.name"))?,
            }),
            allowed_tools: None,
        }),
        _ => {
            let message = "must be `auto`, `any`, `tool` or `none`";
            return Err(invalid("tool_choice.type", message));
        }
    };
    let parallel = choice.disable_parallel_tool_use.map(|disabled| !disabled);
    Ok((Some(translated), parallel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustygpt_model::contract::{Input, Message, Role};
    use serde_json::json;

    fn translated(fields: &Value) -> Result<Validated, String> {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = serde_json::from_value(body).unwrap();
        translate(request).map_err(|error| error.envelope().error.param.unwrap_or_default())
    }

    fn messages(fields: &Value) -> Vec<Message> {
        match translated(fields).unwrap().request.input {
            Input::Chat { messages, .. } => messages,
            other => panic!("not a conversation: {other:?}"),
        }
    }

    #[test]
    fn results_of_calls_are_turns_of_their_own_in_their_places() {
        let read = messages(&json!({
            "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {}}],
            "messages": [
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": ""},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "seen"}]},
                    {"type": "text", "text": "and now?"},
                ]},
            ],
        }));
        let roles: Vec<Role> = read.iter().map(|message| message.role).collect();
        assert_eq!(
            roles,
            [
                Role::System,
                Role::User,
                Role::Assistant,
                Role::Tool,
                Role::User
            ]
        );
        let text = |index: usize| serde_json::to_value(&read[index].content).unwrap();
        assert_eq!(text(0), json!([{"Text": "a\n\nb"}]));
        assert_eq!(text(2), json!([{"Reasoning": "hm"}, {"Text": "I look."}]));
        assert_eq!(read[2].tool_calls[0].arguments, r#"{"at":1}"#);
        assert_eq!(text(3), json!([{"Text": "seen"}]));
        assert_eq!(read[3].tool_call_id.as_deref(), Some("t1"));
        assert_eq!(text(4), json!([{"Text": "and now?"}]));
    }

    #[test]
    fn nothing_is_thought_unless_asked_for() {
        let thinks = |fields: &Value| match translated(fields).unwrap().request.input {
            Input::Chat { template, .. } => template.variables["enable_thinking"].clone(),
            other => panic!("not a conversation: {other:?}"),
        };
        assert_eq!(thinks(&json!({})), json!(false));
        let enabled = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
        assert_eq!(thinks(&enabled), json!(true));
    }

    #[test]
    fn fields_at_fault_are_called_as_this_dialect_calls_them() {
        for (fields, param) in [
            (json!({"stop_sequences": [""]}), "stop_sequences[0]"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (
                json!({"tool_choice": {"type": "tool", "name": "f"}}),
                "tool_choice.name",
            ),
            (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
            (json!({"thinking": {"type": "much"}}), "thinking.type"),
            (
                json!({"output_config": {"format": {"type": "xml"}}}),
                "output_config.format.type",
            ),
            (
                json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": 7}}}}),
                "output_config.format.schema.type",
            ),
            (
                json!({"output_config": {"effort": "very much"}}),
                "output_config.effort",
            ),
            (json!({"messages": []}), "messages"),
            (
                json!({"messages": [{"role": "tool", "content": ""}]}),
                "messages[0].role",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "document"}]}]}),
                "messages[0].content[0].type",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
                "messages[0].content[0].tool_use_id",
            ),
            (
                json!({"tools": [{"type": "bash_20250124", "name": "bash"}]}),
                "tools[0].type",
            ),
        ] {
            assert_eq!(translated(&fields).unwrap_err(), param, "{fields}");
        }
    }
}
