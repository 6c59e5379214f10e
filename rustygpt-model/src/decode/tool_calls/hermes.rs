//! Hermes and Qwen 2.5/3: `<tool_call>{"name": …, "arguments": …}</tool_call>`, once per call.

use super::{CallBody, CallFormat, CallId};

pub(super) const FORMAT: CallFormat = CallFormat {
    begin: Some("<tool_call>"),
    is_bare: false,
    is_list: false,
    each: None,
    body: CallBody::Object {
        arguments: "arguments",
    },
    end: Some("</tool_call>"),
    id: CallId::Usual,
};

pub(super) fn of_template(source: &str) -> Option<CallFormat> {
    source.contains("<tool_call>").then_some(FORMAT)
}
