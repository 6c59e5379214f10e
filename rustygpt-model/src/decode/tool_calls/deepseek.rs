//! DeepSeek V3 and R1: a name and fenced arguments between marks of full-width bars; since V3.1
//! without the fence.

use super::{CallBody, CallFormat, CallId};

pub(super) const FENCED: CallFormat = CallFormat {
    begin: Some("<｜tool▁calls▁begin｜>"),
    is_bare: false,
    is_list: false,
    each: Some(("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>")),
    body: CallBody::Named {
        before: "function<｜tool▁sep｜>",
        between: "```json",
        after: "```",
    },
    end: Some("<｜tool▁calls▁end｜>"),
    id: CallId::Usual,
};

pub(super) const PLAIN: CallFormat = CallFormat {
    body: CallBody::Named {
        before: "",
        between: "<｜tool▁sep｜>",
        after: "",
    },
    ..FENCED
};

pub(super) fn of_template(source: &str) -> Option<CallFormat> {
    if !source.contains("<｜tool▁calls▁begin｜>") {
        None
    } else if source.contains("```json") {
        Some(FENCED)
    } else {
        Some(PLAIN)
    }
}
