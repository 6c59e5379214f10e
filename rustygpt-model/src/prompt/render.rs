//! One rendering: the request's messages in the form the template reads, its variables, and the
//! cut for a message that is to be continued.

use super::RenderRequest;
use super::environment::Compiled;
use super::python::from_json;
use crate::contract::ModelError;
use serde_json::{Map, Value as Json, json};
use std::cell::OnceCell;

/// Names a message's reasoning is passed under, as transformers knows them.
const REASONING_FIELDS: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];
/// Marks the end of the message that is to be continued, as in transformers.
const CONTINUE_TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// A compiled template and what was learnt of it.
pub(super) struct Rendering {
    compiled: Compiled,
    source: String,
    reads: OnceCell<Reads>,
}

/// In which form a template reads messages; found by rendering probes, as llama.cpp does.
#[derive(Clone, Copy, Debug)]
struct Reads {
    /// Content as a list of `{"type":"text","text":…}` only.
    parts_only: bool,
    /// Content null beside tool calls.
    null_content: bool,
}

impl Rendering {
    /// Compiles a template; each attempt to render it may take `steps`.
    ///
    /// # Errors
    /// [`ModelError::Template`] for a syntax error.
    pub(super) fn new(source: &str, steps: u64) -> Result<Self, ModelError> {
        Ok(Self {
            compiled: Compiled::new(source, steps)?,
            source: source.to_owned(),
            reads: OnceCell::new(),
        })
    }

    /// Renders; `tokens` are the template's own variables, `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`ModelError::Template`].
    pub(super) fn render(
        &self,
        request: &RenderRequest,
        tokens: &Map<String, Json>,
        now: i64,
    ) -> Result<String, ModelError> {
        if !request.adapts_messages {
            return self.render_verbatim(request, tokens, now);
        }
        let reads = *self.reads.get_or_init(|| self.probe(tokens, now));
        let mut adapted = request.clone();
        adapted
            .messages
            .iter_mut()
            .for_each(|message| adapt_content(message, reads));
        let result = self.render_as_is(&adapted, tokens, now);
        if result.is_ok() {
            return result;
        }
        // Some templates concatenate the arguments as text, some iterate over absent tools.
        let has_arguments = arguments_to_text(&mut adapted.messages);
        if has_arguments || adapted.tools.is_none() {
            adapted.tools.get_or_insert_default();
            if let Ok(text) = self.render_as_is(&adapted, tokens, now) {
                return Ok(text);
            }
        }
        result
    }

    /// As transformers: a key whose value is null counts as absent. Where the template cannot do
    /// without it, it is shown the null, as in earlier versions of transformers.
    fn render_verbatim(
        &self,
        request: &RenderRequest,
        tokens: &Map<String, Json>,
        now: i64,
    ) -> Result<String, ModelError> {
        let is_null = |message: &Json| {
            message
                .as_object()
                .is_some_and(|fields| fields.values().any(Json::is_null))
        };
        if !request.messages.iter().any(is_null) {
            return self.render_as_is(request, tokens, now);
        }
        let mut without_null = request.clone();
        for fields in without_null
            .messages
            .iter_mut()
            .filter_map(Json::as_object_mut)
        {
            fields.retain(|_, value| !value.is_null());
        }
        let result = self.render_as_is(&without_null, tokens, now);
        if result.is_err()
            && let Ok(text) = self.render_as_is(request, tokens, now)
        {
            return Ok(text);
        }
        result
    }

    fn probe(&self, tokens: &Map<String, Json>, now: i64) -> Reads {
        let render = |messages: Vec<Json>| {
            let request = RenderRequest {
                messages,
                add_generation_prompt: true,
                ..RenderRequest::default()
            };
            self.render_as_is(&request, tokens, now).unwrap_or_default()
        };
        let probe = "probe-7f3a";
        let user = json!({ "role": "user", "content": probe });
        let parts = json!({ "role": "user", "content": [{ "type": "text", "text": probe }] });
        let parts_only = !render(vec![user.clone()]).contains(probe)
            && render(vec![parts.clone()]).contains(probe);
        let user = if parts_only { parts } else { user };
        let call = json!({
            "role": "assistant",
            "content": null,
            "tool_calls": [{
                "id": "call00001",
                "type": "function",
                "function": { "name": probe, "arguments": {} },
            }],
        });
        let mut plain_user = user.clone();
        plain_user["content"] = "x".into();
        let called = render(vec![if parts_only { user } else { plain_user }, call]);
        Reads {
            parts_only,
            null_content: called.contains(probe) && !called.contains("None"),
        }
    }

    fn render_as_is(
        &self,
        request: &RenderRequest,
        tokens: &Map<String, Json>,
        now: i64,
    ) -> Result<String, ModelError> {
        let mut messages: Vec<Json> = request.messages.iter().map(alias_reasoning).collect();
        let final_text = if request.continue_final_message {
            Some(tag_final_message(&mut messages, &self.source)?)
        } else {
            None
        };
        let tools = request.tools.clone().map_or(Json::Null, Json::Array);
        let mut variables = tokens.clone();
        variables.insert("documents".to_owned(), Json::Null);
        variables.extend(request.variables.clone());
        variables.insert("messages".to_owned(), Json::Array(messages));
        variables.insert("tools".to_owned(), tools);
        variables.insert(
            "add_generation_prompt".to_owned(),
            request.add_generation_prompt.into(),
        );
        let variables = variables
            .into_iter()
            .map(|(name, value)| Ok((name, from_json(value)?)))
            .collect::<Result<Vec<_>, minijinja::Error>>()
            .map_err(|error| ModelError::Template {
                message: error.to_string(),
            })?;
        let rendered = self
            .compiled
            .render(minijinja::Value::from_pairs(variables), now)?;
        match final_text {
            Some(text) => cut_at_tag(rendered, &text),
            None => Ok(rendered),
        }
    }
}

/// Fills `reasoning_content` and `thinking` from whichever name the reasoning came under.
fn alias_reasoning(message: &Json) -> Json {
    let Some(fields) = message.as_object() else {
        return message.clone();
    };
    let reasoning = REASONING_FIELDS
        .iter()
        .find_map(|name| fields.get(*name).filter(|value| !value.is_null()));
    let Some(reasoning) = reasoning else {
        return message.clone();
    };
    let mut aliased = Map::new();
    aliased.insert("thinking".to_owned(), reasoning.clone());
    aliased.extend(fields.clone());
    aliased.insert("reasoning_content".to_owned(), reasoning.clone());
    Json::Object(aliased)
}

fn adapt_content(message: &mut Json, reads: Reads) {
    let Some(content) = message.get_mut("content") else {
        return;
    };
    match content {
        Json::Null if !reads.null_content => *content = Json::String(String::new()),
        Json::Array(parts) if !reads.parts_only => {
            let texts: Option<Vec<&str>> = parts
                .iter()
                .map(|part| part.get("text").and_then(Json::as_str))
                .collect();
            if let Some(texts) = texts {
                *content = Json::String(texts.join("\n"));
            }
        }
        _ => {}
    }
}

/// Writes tool calls' arguments as JSON text; false if there are none to write.
fn arguments_to_text(messages: &mut [Json]) -> bool {
    let mut changed = false;
    let calls = messages
        .iter_mut()
        .filter_map(|message| message.get_mut("tool_calls")?.as_array_mut())
        .flatten();
    for call in calls {
        if let Some(arguments) = call
            .get_mut("function")
            .and_then(|call| call.get_mut("arguments"))
            && !arguments.is_string()
        {
            *arguments = Json::String(arguments.to_string());
            changed = true;
        }
    }
    changed
}

fn refused(message: impl Into<String>) -> ModelError {
    ModelError::Template {
        message: message.into(),
    }
}

/// Appends the tag to the last message's text and returns that text.
fn tag_final_message(messages: &mut [Json], source: &str) -> Result<String, ModelError> {
    let Some(last) = messages.last_mut() else {
        return Err(refused(
            "continue_final_message is set but the conversation is empty!",
        ));
    };
    if !source.contains("content") {
        return Err(refused(
            "continue_final_message is set to \"content\" but this is not an accepted field in \
             the chat_template",
        ));
    }
    let text = match last.get_mut("content") {
        Some(Json::Array(parts)) => parts.iter_mut().rev().find_map(|part| part.get_mut("text")),
        Some(Json::Null) | None => {
            return Err(refused(
                "continue_final_message is set but the final message has no \"content\" to \
                 continue!",
            ));
        }
        content => content,
    };
    match text {
        Some(Json::String(text)) => {
            let before = text.clone();
            text.push_str(CONTINUE_TAG);
            Ok(before)
        }
        _ => Err(refused(
            "continue_final_message is set but we could not find any text to continue in the \
             final message!",
        )),
    }
}

/// Cuts the rendered text where the message that is to be continued ends.
fn cut_at_tag(mut rendered: String, final_text: &str) -> Result<String, ModelError> {
    let at = rendered
        .rfind(CONTINUE_TAG.trim())
        .filter(|_| rendered.contains(final_text.trim()))
        .ok_or_else(|| {
            refused(
                "continue_final_message is set but the final message does not appear in the chat \
                 after applying the chat template!",
            )
        })?;
    let keeps_spaces = rendered
        .get(at..)
        .is_some_and(|rest| rest.starts_with(CONTINUE_TAG));
    rendered.truncate(at);
    if !keeps_spaces {
        rendered.truncate(rendered.trim_end().len());
    }
    Ok(rendered)
}
