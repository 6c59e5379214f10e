//! Tools and which of them may be called.

use super::response_format::refused;
use super::{invalid, missing, unsupported};
use crate::error::ApiError;
use rustygpt_common::openai::{self, NamedTool, RequestTool, ToolChoiceObject};
use rustygpt_model::contract::{Tool, ToolChoice};
use rustygpt_model::grammar::Schema;
use serde_json::Value;
use std::collections::BTreeSet;

const TOOLS: usize = 1024;
const NAME_BYTES: usize = 128;

pub(super) fn tools(
    tools: Vec<RequestTool>,
    choice: Option<openai::ToolChoice>,
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
    check_choice(&choice, &names)?;
    if choice == ToolChoice::None {
        // A model that must not call does not need to know what it could.
        return Ok((Vec::new(), choice));
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
    let parameters = function.parameters.map(Value::Object);
    if let (Some(true), Some(parameters)) = (function.strict, &parameters) {
        let at = format!("{at}.function.parameters");
        Schema::new(parameters.clone(), true).map_err(|problem| refused(&at, &problem))?;
        if parameters.get("type").is_some_and(|kind| kind != "object") {
            return Err(invalid(&format!("{at}.type"), "must be `object`"));
        }
    }
    Ok(Tool {
        name: function.name,
        description: function.description,
        parameters,
        strict: function.strict,
    })
}

fn tool_choice(choice: openai::ToolChoice) -> Result<ToolChoice, ApiError> {
    match choice {
        openai::ToolChoice::Mode(mode) => match mode.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(invalid(
                "tool_choice",
                "must be `none`, `auto` or `required`",
            )),
        },
        openai::ToolChoice::Object(object) => chosen(object),
    }
}

fn chosen(object: ToolChoiceObject) -> Result<ToolChoice, ApiError> {
    match object.kind.as_str() {
        "function" => {
            let function = object
                .function
                .ok_or_else(|| missing("tool_choice.function"))?;
            Ok(ToolChoice::Function(function.name))
        }
        "allowed_tools" => {
            let at = "tool_choice.allowed_tools";
            let allowed = object.allowed_tools.ok_or_else(|| missing(at))?;
            let is_required = match allowed.mode.as_deref() {
                None | Some("auto") => false,
                Some("required") => true,
                Some(_) => {
                    return Err(invalid(
                        &format!("{at}.mode"),
                        "must be `auto` or `required`",
                    ));
                }
            };
            let name = |(index, tool): (usize, NamedTool)| {
                let function = tool.function.map(|function| function.name);
                function.ok_or_else(|| missing(&format!("{at}.tools[{index}].function")))
            };
            let names = allowed.tools.into_iter().enumerate().map(name);
            Ok(ToolChoice::Allowed {
                names: names.collect::<Result<_, _>>()?,
                is_required,
            })
        }
        "custom" => Err(unsupported(
            "tool_choice",
            "only `function` tools can be called",
        )),
        _ => Err(invalid(
            "tool_choice.type",
            "must be `function` or `allowed_tools`",
        )),
    }
}

/// A choice must be possible.
fn check_choice(choice: &ToolChoice, names: &BTreeSet<String>) -> Result<(), ApiError> {
    let known = |param: &str, name: &String| match names.contains(name) {
        true => Ok(()),
        false => Err(invalid(param, "is not the name of a tool")),
    };
    match choice {
        ToolChoice::Auto | ToolChoice::None => Ok(()),
        ToolChoice::Required if names.is_empty() => {
            Err(invalid("tool_choice", "needs at least one tool"))
        }
        ToolChoice::Required => Ok(()),
        ToolChoice::Function(name) => known("tool_choice.function.name", name),
        ToolChoice::Allowed { names, .. } => {
            let param = "tool_choice.allowed_tools.tools";
            if names.is_empty() {
                return Err(invalid(param, "must name at least one tool"));
            }
            names.iter().try_for_each(|name| known(param, name))
        }
    }
}
