//! The engine's nouns as this dialect writes them.

use crate::answer::{Cost, Head};
use rustygpt_common::anthropic::{ContentBlock, Message, MessageEnd, Usage};
use rustygpt_model::contract::FinishReason;
use serde_json::{Map, Value};

/// An answer; `end` says how it ended, or nothing while it goes on.
pub(super) fn message(
    head: Head,
    content: Vec<ContentBlock>,
    end: MessageEnd,
    usage: Usage,
) -> Message {
    Message {
        id: head.id,
        kind: "message".to_owned(),
        role: "assistant".to_owned(),
        model: head.model,
        content,
        stop_reason: end.stop_reason,
        stop_sequence: end.stop_sequence,
        usage,
    }
}

/// Why an answer ended. One that holds a call waits for its result, whatever was asked for.
pub(super) fn end(reason: FinishReason, has_calls: bool, stop: Option<String>) -> MessageEnd {
    let stop_reason = match (reason, &stop) {
        (FinishReason::Length | FinishReason::Deadline, _) => "max_tokens",
        (FinishReason::ToolCalls, _) => "tool_use",
        (FinishReason::Stop, Some(_)) => "stop_sequence",
        (FinishReason::Stop, None) if has_calls => "tool_use",
        (FinishReason::Stop, None) => "end_turn",
    };
    MessageEnd {
        stop_reason: Some(stop_reason.to_owned()),
        stop_sequence: stop.filter(|_| stop_reason == "stop_sequence"),
    }
}

/// What an answer cost.
pub(super) fn usage(cost: &Cost) -> Usage {
    Usage {
        input_tokens: cost.prompt.saturating_sub(cost.cached()),
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: cost.cached(),
        output_tokens: cost.completion,
    }
}

/// A call's arguments; none where the answer broke off within them.
pub(super) fn arguments(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
