//! Phi-4-mini: `<|tool_call|>[{"name": …, "arguments": …}, …]<|/tool_call|>`.

use super::{CallFormat, granite};

pub(super) const FORMAT: CallFormat = CallFormat {
    end: Some("<|/tool_call|>"),
    ..granite::FORMAT
};

/// Its template shows the tools between `<|tool|>` and `<|/tool|>`, and no call.
pub(super) fn of_template(source: &str) -> Option<CallFormat> {
    let is_phi = source.contains("<|/tool_call|>") || source.contains("<|/tool|>");
    is_phi.then_some(FORMAT)
}
