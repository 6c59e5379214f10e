//! Tools and which of them may be called.

use super::{invalid, missing, unsupported};
use crate::error::ApiError;
use rustygpt_common::openai::{self, RequestTool};
use rustygpt_model::contract::{Tool, ToolChoice};
use serde_json::Value;
use std::collections::BTreeSet;

const TOOLS: usize = 1024;
const NAME_BYTES: usize = 128;

pub(super) fn tools(
    tools: Vec<RequestTool>,
    choice: Option<openai::ToolChoice>,
    parallel: Option<bool>,
    ignored: &mut Vec<String>,
) -> Result<(Vec<Tool>, ToolChoice), ApiError> {
    if tools.len() > TOOLS {
        return Err(invalid(
            "tools",
            format!("must be at most {TOOLS}, not {}", tools.len()),
        ));
    }
    let mut names = BTreeSet::new();
    let mut read = Vec::with_capacity(tools.len());
    for (index, tool) in tools.into_iter().enumerate() {
        let tool = one_tool(index, tool)?;
        if !names.insert(tool.name.clone()) {
            let param = format!("tools[{index}].function.name");
            return Err(invalid(&param, "is the name of another tool too"));
        }
        read.push(tool);
    }
    let choice = choice.map(tool_choice).transpose()?.unwrap_or_default();
    if choice == ToolChoice::None {
        // A model that must not call does not need to know what it could.
        return Ok((Vec::new(), choice));
    }
    if parallel == Some(false) && !read.is_empty() {
        ignored.push("parallel_tool_calls".to_owned());
    }
    Ok((read, choice))
}

fn one_tool(index: usize, tool: RequestTool) -> Result<Tool, ApiError> {
    let at = format!("tools[{index}]");
    if tool.kind.as_deref().is_some_and(|kind| kind != "function") {
        return Err(unsupported(
            &format!("{at}.type"),
            "only `function` tools are supported",
        ));
    }
    let function = tool
        .function
        .ok_or_else(|| missing(&format!("{at}.function")))?;
    if function.name.is_empty() || function.name.len() > NAME_BYTES {
        let message = format!("must have 1 to {NAME_BYTES} characters");
        return Err(invalid(&format!("{at}.function.name"), message));
    }
    Ok(Tool {
        name: function.name,
        description: function.description,
        parameters: function.parameters.map(Value::Object),
        strict: function.strict,
    })
}

fn tool_choice(choice: openai::ToolChoice) -> Result<ToolChoice, ApiError> {
    let forced = "this version cannot force a call; use `auto` or `none`";
    match choice {
        openai::ToolChoice::Mode(mode) => match mode.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Err(unsupported("tool_choice", forced)),
            _ => Err(invalid(
                "tool_choice",
                "must be `none`, `auto` or `required`",
            )),
        },
        openai::ToolChoice::Object(object) => match object.kind.as_str() {
            "function" | "allowed_tools" | "custom" => Err(unsupported("tool_choice", forced)),
            _ => Err(invalid("tool_choice.type", "must be `function`")),
        },
    }
}
