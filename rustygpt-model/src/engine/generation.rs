//! [`Generation`]: the stream of events that answers one request.

use crate::contract::GenerationEvent;
use futures::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedReceiver;

/// The stream of events that answers one request. Dropping it cancels the request: its slots and
/// blocks are free before the next forward pass.
#[derive(Debug)]
pub struct Generation {
    pub(super) events: UnboundedReceiver<GenerationEvent>,
    pub(super) prompt_tokens: u32,
    pub(super) notes: Vec<String>,
}

impl Generation {
    /// Tokens of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// Parameters that were clamped or not honoured; each note begins with the parameter's name.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Stream for Generation {
    type Item = GenerationEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context)
    }
}
