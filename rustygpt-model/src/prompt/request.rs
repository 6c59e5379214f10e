//! [`RenderRequest`]: what a template is rendered with.

use super::marks::Marker;
use crate::contract::{ContentPart, Input, Message, ModelError, Role, Tool, ToolCall, ToolChoice};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Fields of an OpenAI request that say how to generate, not what to render. Any other field is
/// offered to the template as a variable.
const NO_VARIABLES: [&str; 36] = [
    "model",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "n",
    "stream",
    "stream_options",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "seed",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "modalities",
    "audio",
    "prediction",
    "store",
    "metadata",
    "service_tier",
    "verbosity",
    "web_search_options",
    "functions",
    "function_call",
    "safety_identifier",
    "prompt_cache_key",
    "chat_template",
    "chat_template_kwargs",
];
/// Variables that have a place of their own and that `chat_template_kwargs` may not replace.
const OWN_VARIABLES: [&str; 4] = [
    "messages",
    "tools",
    "add_generation_prompt",
    "continue_final_message",
];

/// What a template is rendered with, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RenderRequest {
    /// The conversation, as the dictionaries a template reads.
    pub messages: Vec<Value>,
    /// The tools, as OpenAI's `{"type":"function","function":{…}}`; `None` leaves the variable
    /// null.
    pub tools: Option<Vec<Value>>,
    /// Further variables (`bos_token`, `enable_thinking`, …); they precede the template's own.
    pub variables: Map<String, Value>,
    /// Whether the beginning of the assistant's turn is appended.
    pub add_generation_prompt: bool,
    /// Whether the last message is left open.
    pub continue_final_message: bool,
    /// Whether the messages are brought into the form that this template reads: content as one
    /// string or as parts, null or empty content beside tool calls, arguments as an object or as
    /// text. Otherwise they are passed as they are.
    pub adapts_messages: bool,
}

impl RenderRequest {
    /// Reads an OpenAI-shaped request as it would be handed to transformers'
    /// `apply_chat_template`: messages and tools verbatim, but for tool calls' arguments, which
    /// are decoded. `bos_token`, `eos_token` and every field that is no generation parameter
    /// become variables; `add_generation_prompt` is true unless said otherwise.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] naming the field that is wrong.
    pub fn from_openai_json(request: &Value) -> Result<Self, ModelError> {
        let wrong = |param, message: &str| ModelError::Unsupported {
            param,
            message: message.into(),
        };
        let fields = request
            .as_object()
            .ok_or_else(|| wrong("messages", "the request is not an object"))?;
        let mut messages = match fields.get("messages") {
            Some(Value::Array(messages)) if messages.iter().all(Value::is_object) => {
                messages.clone()
            }
            _ => return Err(wrong("messages", "`messages` must be an array of objects")),
        };
        if messages.is_empty() {
            return Err(wrong(
                "messages",
                "`messages` must hold at least one message",
            ));
        }
        messages.iter_mut().for_each(decode_arguments);
        let tools = match fields.get("tools") {
            None | Some(Value::Null) => None,
            Some(Value::Array(tools)) => Some(tools.clone()),
            Some(_) => return Err(wrong("tools", "`tools` must be an array")),
        };
        let flag = |name: &'static str, default: bool| match fields.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(wrong(name, &format!("`{name}` must be true or false"))),
        };
        let continue_final_message = flag("continue_final_message", false)?;
        let add_generation_prompt = flag("add_generation_prompt", !continue_final_message)?;
        if continue_final_message && add_generation_prompt {
            let message = "it cannot be combined with `add_generation_prompt`";
            return Err(wrong("continue_final_message", message));
        }
        let mut variables: Map<String, Value> = fields
            .iter()
            .filter(|(name, _)| {
                !NO_VARIABLES.contains(&name.as_str()) && !OWN_VARIABLES.contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        match fields.get("chat_template_kwargs") {
            None | Some(Value::Null) => {}
            Some(Value::Object(more)) => variables.extend(
                more.iter()
                    .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
                    .map(|(name, value)| (name.clone(), value.clone())),
            ),
            Some(_) => {
                let message = "`chat_template_kwargs` must be an object";
                return Err(wrong("chat_template_kwargs", message));
            }
        }
        for name in ["bos_token", "eos_token"] {
            if let Some(text) = variables.get(name).and_then(token_text) {
                variables.insert(name.to_owned(), Value::String(text));
            }
        }
        Ok(Self {
            messages,
            tools,
            variables,
            add_generation_prompt,
            continue_final_message,
            adapts_messages: false,
        })
    }

    /// Reads the engine's input; `None` unless it is a conversation.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for a part that cannot be written into a prompt.
    pub fn from_input(input: &Input) -> Result<Option<Self>, ModelError> {
        let Input::Chat {
            messages,
            tools,
            tool_choice,
            template,
            ..
        } = input
        else {
            return Ok(None);
        };
        let mut called = HashMap::new();
        let messages = messages
            .iter()
            .map(|message| message_json(message, &mut called))
            .collect::<Result<Vec<Value>, ModelError>>()?;
        let tools = (!tools.is_empty() && *tool_choice != ToolChoice::None)
            .then(|| tools.iter().map(tool_json).collect());
        let variables = template
            .variables
            .iter()
            .filter(|(name, _)| {
                !OWN_VARIABLES.contains(&name.as_str()) && !name.ends_with("_token")
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Ok(Some(Self {
            messages,
            tools,
            variables,
            add_generation_prompt: !template.continue_final_message,
            continue_final_message: template.continue_final_message,
            adapts_messages: true,
        }))
    }

    /// Marks every string of the request, the role names excepted.
    pub(super) fn mark(&mut self, marker: &Marker<'_>) {
        for message in &mut self.messages {
            let role = message.get("role").cloned();
            marker.mark_value(message);
            if let (Some(role), Some(slot)) = (role, message.get_mut("role")) {
                *slot = role;
            }
        }
        self.tools
            .iter_mut()
            .flatten()
            .for_each(|tool| marker.mark_value(tool));
        marker.mark_map(&mut self.variables);
    }
}

/// The text of a special token in `tokenizer_config.json`: a string, or an object with `content`.
pub(super) fn token_text(value: &Value) -> Option<String> {
    value
        .as_str()
        .or_else(|| value.get("content")?.as_str())
        .map(str::to_owned)
}

/// Replaces the arguments of a message's tool calls, JSON in a string, by what they say.
fn decode_arguments(message: &mut Value) {
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    for call in calls.into_iter().flatten() {
        if let Some(arguments) = call
            .get_mut("function")
            .and_then(|call| call.get_mut("arguments"))
            && let Some(decoded) = arguments
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
        {
            *arguments = decoded;
        }
    }
}

/// `called` collects the names of the tool calls so far by their ids: templates want the name of
/// the tool that answers, which OpenAI's messages do not repeat.
fn message_json(
    message: &Message,
    called: &mut HashMap<String, String>,
) -> Result<Value, ModelError> {
    let mut parts = Vec::new();
    let mut reasoning: Option<String> = None;
    for part in &message.content {
        match part {
            ContentPart::Text(text) => parts.push(json!({ "type": "text", "text": text })),
            ContentPart::Reasoning(text) => {
                reasoning.get_or_insert_default().push_str(text);
            }
            ContentPart::Image { .. } => return Err(no_medium("images")),
            ContentPart::Audio { .. } => return Err(no_medium("sound")),
        }
    }
    let mut fields = Map::new();
    fields.insert("role".to_owned(), message.role.as_str().into());
    let content = if parts.is_empty() && !message.tool_calls.is_empty() {
        Value::Null
    } else {
        Value::Array(parts)
    };
    fields.insert("content".to_owned(), content);
    if let Some(reasoning) = reasoning {
        fields.insert("reasoning_content".to_owned(), reasoning.into());
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(tool_call_json).collect();
        fields.insert("tool_calls".to_owned(), Value::Array(calls));
        called.extend(
            message
                .tool_calls
                .iter()
                .map(|call| (call.id.clone(), call.name.clone())),
        );
    }
    let answered = message
        .tool_call_id
        .as_ref()
        .filter(|_| message.role == Role::Tool);
    if let Some(name) = message.name.as_ref().or_else(|| called.get(answered?)) {
        fields.insert("name".to_owned(), name.clone().into());
    }
    if let Some(id) = &message.tool_call_id {
        fields.insert("tool_call_id".to_owned(), id.clone().into());
    }
    Ok(Value::Object(fields))
}

fn no_medium(medium: &str) -> ModelError {
    ModelError::Unsupported {
        param: "messages",
        message: format!("this model does not take {medium}; send text only"),
    }
}

fn tool_call_json(call: &ToolCall) -> Value {
    let arguments = serde_json::from_str(&call.arguments)
        .unwrap_or_else(|_| Value::String(call.arguments.clone()));
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": arguments },
    })
}

fn tool_json(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), tool.name.clone().into());
    if let Some(description) = &tool.description {
        function.insert("description".to_owned(), description.clone().into());
    }
    // OpenAI: without `parameters` the function takes none. Templates read its properties.
    let parameters = tool
        .parameters
        .clone()
        .unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    function.insert("parameters".to_owned(), parameters);
    if let Some(strict) = tool.strict {
        function.insert("strict".to_owned(), strict.into());
    }
    json!({ "type": "function", "function": function })
}
