//! [`AnswerStream`]: an answer as it comes, written by a dialect's [`Writer`].

use super::Cost;
use super::meter::Meter;
use super::opening::{Opened, Voice};
use crate::caller::Ending;
use crate::error::ApiError;
use crate::middleware::Record;
use futures::Stream;
use rustygpt_common::sse;
use rustygpt_model::contract::GenerationEvent;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Most bytes put into one frame while more events are ready.
const FRAME_BYTES: usize = 16 << 10;

/// How a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Server-sent events, between which comments may stand.
    Events,
    /// One JSON object per line, and nothing else.
    Lines,
}

/// How a dialect writes a stream. What it writes is appended to a text.
pub(crate) trait Writer: Send + Unpin + 'static {
    /// How its streams are cut.
    const FORMAT: Format;

    /// Writes what goes out before anything was said. `cost` knows the prompts only.
    fn begin(&mut self, text: &mut String, cost: &Cost);

    /// Writes what happened; never [`GenerationEvent::Failed`].
    fn event(&mut self, text: &mut String, event: GenerationEvent);

    /// Writes the end, behind the last choice's.
    fn end(&mut self, text: &mut String, cost: &Cost);

    /// An error as it stands in a stream; nothing follows it.
    fn error(error: &ApiError) -> String;
}

/// An answer as it comes.
pub(super) struct AnswerStream<W> {
    writer: W,
    /// `None` once the answer has ended. Dropping it frees the place in the engine.
    voice: Option<Voice>,
    meter: Meter,
    cost: Cost,
    unfinished: u32,
    has_begun: bool,
    ending: Ending,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<W: Writer> AnswerStream<W> {
    pub(super) fn new(opened: Opened, writer: W, ending: Ending) -> Self {
        Self {
            writer,
            voice: Some(opened.voice),
            meter: opened.meter,
            cost: opened.cost,
            unfinished: opened.choices,
            has_begun: false,
            ended: Box::pin(ending.token().clone().cancelled_owned()),
            ending,
        }
    }

    fn write_event(&mut self, text: &mut String, event: GenerationEvent) {
        self.meter.see(&event);
        match event {
            GenerationEvent::Failed { message } => {
                self.write_error(text, &ApiError::engine_failed(message));
            }
            GenerationEvent::Finish { choice, usage, .. } => {
                self.cost.add(choice, usage);
                self.writer.event(text, event);
                self.unfinished = self.unfinished.saturating_sub(1);
                if self.unfinished == 0 {
                    self.writer.end(text, &self.cost);
                    self.voice = None;
                }
            }
            event => self.writer.event(text, event),
        }
    }

    fn write_error(&mut self, text: &mut String, error: &ApiError) {
        text.push_str(&W::error(error));
        self.voice = None;
    }
}

impl<W: Writer> Stream for AnswerStream<W> {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<String>> {
        let this = &mut *self;
        let mut text = String::new();
        if !std::mem::replace(&mut this.has_begun, true) {
            this.writer.begin(&mut text, &this.cost);
        }
        if this.voice.is_some() && this.ended.as_mut().poll(context).is_ready() {
            let (error, why) = this.ending.reason();
            this.meter.break_off(why);
            this.write_error(&mut text, &error);
        }
        while text.len() < FRAME_BYTES {
            let Some(voice) = &mut this.voice else {
                break;
            };
            match voice.as_mut().poll_next(context) {
                Poll::Ready(Some(event)) => this.write_event(&mut text, event),
                Poll::Ready(None) => {
                    this.meter.break_off("engine ended early");
                    let error = ApiError::engine_failed("The model stopped.".to_owned());
                    this.write_error(&mut text, &error);
                }
                Poll::Pending if text.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready((!text.is_empty()).then_some(text))
    }
}

/// A stream whose headers go out before its answer has begun, because the model is still being
/// loaded. What goes wrong until then is an error event.
pub(super) struct LateStream<W> {
    state: Late<W>,
    record: Record,
}

enum Late<W> {
    /// Nothing was sent yet.
    Silent(OpeningStream<W>),
    /// The client knows why it waits.
    Opening(OpeningStream<W>),
    Open(Box<AnswerStream<W>>),
    Ended,
}

/// An answer that is about to begin.
pub(super) type OpeningStream<W> =
    Pin<Box<dyn Future<Output = Result<AnswerStream<W>, ApiError>> + Send>>;

impl<W> LateStream<W> {
    pub(super) fn new(opening: OpeningStream<W>, record: Record) -> Self {
        Self {
            state: Late::Silent(opening),
            record,
        }
    }
}

impl<W: Writer> Stream for LateStream<W> {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<String>> {
        match std::mem::replace(&mut self.state, Late::Ended) {
            Late::Silent(opening) => {
                self.state = Late::Opening(opening);
                Poll::Ready(Some(sse::comment("loading the model")))
            }
            Late::Opening(mut opening) => {
                let Poll::Ready(opened) = opening.as_mut().poll(context) else {
                    self.state = Late::Opening(opening);
                    return Poll::Pending;
                };
                match opened {
                    Ok(stream) => {
                        self.state = Late::Open(Box::new(stream));
                        self.poll_next(context)
                    }
                    Err(error) => {
                        let code = error.code().as_str().to_owned();
                        self.record.note(|facts| facts.broke_off = Some(code));
                        Poll::Ready(Some(W::error(&error)))
                    }
                }
            }
            Late::Open(mut stream) => {
                let piece = Pin::new(&mut *stream).poll_next(context);
                self.state = Late::Open(stream);
                Poll::Ready(ready!(piece))
            }
            Late::Ended => Poll::Ready(None),
        }
    }
}
