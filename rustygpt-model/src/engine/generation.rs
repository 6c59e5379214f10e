//! [`Generation`]: the stream of events that answers one request.

use super::counters::Counters;
use crate::contract::GenerationEvent;
use futures::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc::UnboundedReceiver;

/// The stream of events that answers one request. It always ends with one
/// [`GenerationEvent::Finish`] per choice or with a [`GenerationEvent::Failed`], whatever becomes
/// of the engine.
///
/// Dropping it cancels the request: its slots and blocks are free before the next forward pass.
pub struct Generation {
    events: UnboundedReceiver<GenerationEvent>,
    /// Choices that have not finished.
    unfinished: u32,
    counters: Arc<Counters>,
    prompt_tokens: u32,
    notes: Vec<String>,
}

impl Generation {
    pub(super) fn new(
        events: UnboundedReceiver<GenerationEvent>,
        choices: u32,
        counters: Arc<Counters>,
        prompt_tokens: u32,
        notes: Vec<String>,
    ) -> Self {
        Self {
            events,
            unfinished: choices,
            counters,
            prompt_tokens,
            notes,
        }
    }

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
        if self.unfinished == 0 {
            return Poll::Ready(None);
        }
        let event = match ready!(self.events.poll_recv(context)) {
            Some(event) => event,
            // The engine thread went away without a word: it panicked.
            None => GenerationEvent::Failed {
                message: self.counters.stopped_error().to_string(),
            },
        };
        match &event {
            GenerationEvent::Finish { .. } => self.unfinished -= 1,
            GenerationEvent::Failed { .. } => self.unfinished = 0,
            _ => {}
        }
        Poll::Ready(Some(event))
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Generation")
            .field("unfinished", &self.unfinished)
            .field("prompt_tokens", &self.prompt_tokens)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}
