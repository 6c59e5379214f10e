//! The turns of a conversation.

use super::{invalid, missing, unsupported};
use crate::error::ApiError;
use rustygpt_common::openai::{self, Content, RequestMessage, RequestToolCall};
use rustygpt_model::contract::{ContentPart, Message, Role, ToolCall};

pub(super) fn messages(
    messages: Vec<RequestMessage>,
    continues_last: bool,
) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(invalid("messages", "must hold at least one message"));
    }
    let read: Vec<Message> = messages
        .into_iter()
        .enumerate()
        .map(|(index, message)| one_message(index, message))
        .collect::<Result<_, _>>()?;
    if continues_last && read.last().is_some_and(|last| last.role != Role::Assistant) {
        let message = "needs the last message to be the assistant's";
        return Err(invalid("continue_final_message", message));
    }
    Ok(read)
}

fn one_message(index: usize, message: RequestMessage) -> Result<Message, ApiError> {
    let at = format!("messages[{index}]");
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => {
            let message = "must be `system`, `developer`, `user`, `assistant` or `tool`";
            return Err(invalid(&format!("{at}.role"), message));
        }
    };
    if message.role == "tool" && message.tool_call_id.is_none() {
        return Err(missing(&format!("{at}.tool_call_id")));
    }
    let mut content = Vec::new();
    let mut tool_calls = Vec::new();
    if role == Role::Assistant {
        content.extend(message.reasoning_content.map(ContentPart::Reasoning));
        for (call_index, call) in message.tool_calls.into_iter().flatten().enumerate() {
            tool_calls.push(tool_call(&at, call_index, call)?);
        }
    }
    match message.content {
        Some(Content::Text(text)) => content.push(ContentPart::Text(text)),
        Some(Content::Parts(parts)) => {
            for (part_index, part) in parts.into_iter().enumerate() {
                content.push(one_part(&format!("{at}.content[{part_index}]"), part)?);
            }
        }
        // An assistant may only have called, a tool may have nothing to say.
        None if matches!(role, Role::Assistant | Role::Tool) => {
            content.extend(message.refusal.map(ContentPart::Text));
        }
        None => return Err(missing(&format!("{at}.content"))),
    }
    Ok(Message {
        role,
        content,
        name: message.name,
        tool_calls,
        tool_call_id: message.tool_call_id.filter(|_| role == Role::Tool),
    })
}

fn one_part(at: &str, part: openai::ContentPart) -> Result<ContentPart, ApiError> {
    match part.kind.as_str() {
        "text" => part
            .text
            .map(ContentPart::Text)
            .ok_or_else(|| missing(&format!("{at}.text"))),
        "refusal" => part
            .refusal
            .map(ContentPart::Text)
            .ok_or_else(|| missing(&format!("{at}.refusal"))),
        "image_url" => {
            let image = part
                .image_url
                .ok_or_else(|| missing(&format!("{at}.image_url")))?;
            Ok(ContentPart::Image { url: image.url })
        }
        "input_audio" => {
            let audio = part
                .input_audio
                .ok_or_else(|| missing(&format!("{at}.input_audio")))?;
            if !matches!(audio.format.as_str(), "wav" | "mp3") {
                let param = format!("{at}.input_audio.format");
                return Err(invalid(&param, "must be `wav` or `mp3`"));
            }
            Ok(ContentPart::Audio {
                data: audio.data,
                format: audio.format,
            })
        }
        _ => Err(unsupported(
            &format!("{at}.type"),
            "parts of this type cannot be read",
        )),
    }
}

fn tool_call(at: &str, index: usize, call: RequestToolCall) -> Result<ToolCall, ApiError> {
    let at = format!("{at}.tool_calls[{index}]");
    if call.kind.as_deref().is_some_and(|kind| kind != "function") {
        return Err(unsupported(
            &format!("{at}.type"),
            "only `function` calls can be read",
        ));
    }
    let function = call
        .function
        .ok_or_else(|| missing(&format!("{at}.function")))?;
    let arguments = function.arguments.filter(|text| !text.trim().is_empty());
    Ok(ToolCall {
        id: call.id.unwrap_or_else(|| format!("call_{index}")),
        name: function.name,
        arguments: arguments.unwrap_or_else(|| "{}".to_owned()),
    })
}
