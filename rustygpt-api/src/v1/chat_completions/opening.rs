//! From a request to an answer that has begun: the model is there, the request is admitted.

use super::meter::Meter;
use super::stream::ChunkStream;
use super::wire::Head;
use crate::caller::Ending;
use crate::error::ApiError;
use crate::middleware::Record;
use crate::state::ApiState;
use futures::Stream;
use rustygpt_common::sse;
use rustygpt_model::contract::GenerateRequest;
use rustygpt_orchestrator::access::Caller;
use rustygpt_orchestrator::chat::{self, Speech};
use rustygpt_orchestrator::models::Lease;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// Longest list of parameter names sent back.
const IGNORED_NAMES: usize = 32;

/// Who asks, and what is noted of it.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) state: ApiState,
    pub(super) caller: Caller,
    pub(super) ending: Ending,
    pub(super) record: Record,
    pub(super) start: Instant,
}

/// An answer that has begun.
pub(super) struct Opened {
    pub(super) head: Head,
    pub(super) speech: Speech,
    pub(super) meter: Meter,
    /// Parameters that had no effect or a different one.
    pub(super) ignored: Vec<String>,
}

impl Asking {
    /// Waits until the model is in memory.
    ///
    /// # Errors
    /// There is none, it cannot be loaded, or who asks may not wait on: the server stops, their access ends.
    pub(super) async fn lease(self, model: String) -> Result<Lease, ApiError> {
        tokio::select! {
            lease = chat::model(&self.state.models, &self.caller, &model) => Ok(lease?),
            () = self.ending.token().cancelled() => Err(self.ending.reason().0),
        }
    }

    /// Has the request admitted. `ignored` are the parameters known to have no effect.
    ///
    /// # Errors
    /// Whatever refuses the request.
    pub(super) async fn open(
        self,
        lease: Lease,
        request: GenerateRequest,
        mut ignored: Vec<String>,
    ) -> Result<Opened, ApiError> {
        let answer = chat::complete(lease, &self.caller, request).await?;
        let notes = answer.speech.notes().iter();
        ignored.extend(notes.map(|note| parameter_name(note)));
        ignored.sort();
        ignored.dedup();
        ignored.truncate(IGNORED_NAMES);
        let prompt_tokens = answer.speech.prompt_tokens();
        self.record.note(|facts| {
            facts.model = Some(answer.model.clone());
            facts.prompt_tokens = Some(u64::from(prompt_tokens));
            facts.completion_tokens = Some(0);
            facts.ignored.clone_from(&ignored);
        });
        let head = Head {
            id: (self.state.new_id)("chatcmpl-").map_err(ApiError::internal)?,
            created: self.state.clock.unix_seconds(),
            model: answer.model,
            fingerprint: answer.fingerprint,
        };
        let measurements = &self.state.measurements;
        let meter = Meter::new(measurements, &head.model, self.record, self.start);
        Ok(Opened {
            head,
            speech: answer.speech,
            meter,
            ignored,
        })
    }
}

/// The parameter that a note of the engine begins with.
fn parameter_name(note: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    note.chars().take_while(|&c| is_part(c)).take(64).collect()
}

/// A stream whose headers go out before its answer has begun, because the model is still being
/// loaded. What goes wrong until then is an error event.
pub(super) struct LateStream {
    state: Late,
    record: Record,
}

enum Late {
    /// Nothing was sent yet.
    Silent(OpeningStream),
    /// The client knows why it waits.
    Opening(OpeningStream),
    Open(Box<ChunkStream>),
    Ended,
}

/// An answer that is about to begin.
pub(super) type OpeningStream = Pin<Box<dyn Future<Output = Result<ChunkStream, ApiError>> + Send>>;

impl LateStream {
    pub(super) fn new(opening: OpeningStream, record: Record) -> Self {
        Self {
            state: Late::Silent(opening),
            record,
        }
    }
}

impl Stream for LateStream {
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
                        Poll::Ready(Some(error.event()))
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
