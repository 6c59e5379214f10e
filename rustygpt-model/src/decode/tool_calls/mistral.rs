//! Mistral: `[TOOL_CALLS][{"name": …, "arguments": …}, …]`; since version 11 of their tokenizer
//! `[TOOL_CALLS]name[ARGS]{…}`, once per call.

use super::{CallBody, CallFormat, CallId};

pub(super) const LIST: CallFormat = CallFormat {
    begin: Some("[TOOL_CALLS]"),
    is_bare: false,
    is_list: true,
    each: None,
    body: CallBody::Object {
        arguments: "arguments",
    },
    end: None,
    id: CallId::Nine,
};

pub(super) const NAMED: CallFormat = CallFormat {
    is_list: false,
    body: CallBody::Named {
        before: "",
        between: "[ARGS]",
        after: "",
    },
    ..LIST
};

pub(super) fn of_template(source: &str) -> Option<CallFormat> {
    if !source.contains("[TOOL_CALLS]") {
        None
    } else if source.contains("[ARGS]") {
        Some(NAMED)
    } else {
        Some(LIST)
    }
}
