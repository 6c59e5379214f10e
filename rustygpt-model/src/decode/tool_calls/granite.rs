//! Granite 3.x: `<|tool_call|>[{"name": …, "arguments": …}, …]`.

use super::{CallBody, CallFormat, CallId};

pub(super) const FORMAT: CallFormat = CallFormat {
    begin: Some("<|tool_call|>"),
    is_bare: false,
    is_list: true,
    each: None,
    body: CallBody::Object {
        arguments: "arguments",
    },
    end: None,
    id: CallId::Usual,
};

pub(super) fn of_template(source: &str) -> Option<CallFormat> {
    source.contains("<|tool_call|>").then_some(FORMAT)
}
