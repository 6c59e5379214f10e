//! A whole answer in one object.

use super::wire::{self, arguments, end, usage};
use crate::answer::{Complete, Piece};
use crate::error::ApiError;
use rustygpt_common::anthropic::{ContentBlock, Message};

/// The whole answer.
///
/// # Errors
/// When the engine gave none.
pub(super) fn message(complete: Complete) -> Result<Message, ApiError> {
    let Complete {
        head, said, cost, ..
    } = complete;
    let Some(said) = said.into_iter().next() else {
        return Err(ApiError::internal("the engine gave no answer"));
    };
    let has_calls = said.calls().next().is_some();
    let end = end(said.reason, has_calls, said.stop_string);
    let content = said.pieces.into_iter().map(block).collect();
    Ok(wire::message(head, content, end, usage(&cost)))
}

fn block(piece: Piece) -> ContentBlock {
    match piece {
        Piece::Text(text) => ContentBlock::Text { text },
        Piece::Reasoning(thinking) => ContentBlock::Thinking {
            thinking,
            signature: String::new(),
        },
        Piece::Call(call) => ContentBlock::ToolUse {
            input: arguments(&call.arguments),
            id: call.id,
            name: call.name,
        },
    }
}
