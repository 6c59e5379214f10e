//! What a decoder found, as the events of an answer.

use super::{Choice, Request};
use crate::contract::GenerationEvent;
use crate::decode::tool_calls::CallEvent;
use crate::decode::{Decoded, Piece};

/// Sends the pieces that came of a token.
pub(super) fn send(request: &Request, choice: &mut Choice, decoded: Decoded) {
    let mut logprobs = decoded.logprobs;
    let index = choice.index;
    for piece in decoded.pieces {
        let event = match piece {
            Piece::Text(text) => GenerationEvent::Text {
                choice: index,
                text,
                logprobs: std::mem::take(&mut logprobs),
            },
            Piece::Reasoning(text) => GenerationEvent::Reasoning {
                choice: index,
                text,
                logprobs: std::mem::take(&mut logprobs),
            },
            Piece::Call(CallEvent::Begin { name }) => {
                let call = choice.calls;
                choice.calls += 1;
                GenerationEvent::ToolCallBegin {
                    choice: index,
                    call,
                    id: request.shape.call_id(index, call),
                    name,
                }
            }
            Piece::Call(CallEvent::Arguments(json)) => GenerationEvent::ToolCallArguments {
                choice: index,
                call: choice.calls.saturating_sub(1),
                json,
            },
            Piece::Call(CallEvent::End) => GenerationEvent::ToolCallEnd {
                choice: index,
                call: choice.calls.saturating_sub(1),
            },
        };
        // An error means that the client is gone; the next sweep frees its sequences.
        let _ = request.events.send(event);
    }
}
