//! Event streams: pieces of text that leave at once, and comments that keep a quiet line alive;
//! and streams of lines, which know no comments.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderName, HeaderValue, header};
use rustygpt_common::sse::{self, Event};
use serde::Serialize;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// An answer made of encoded events. When the client goes, the stream is dropped.
pub(crate) fn respond<S>(events: S, keep_alive: Duration) -> Response
where
    S: Stream<Item = String> + Send + Unpin + 'static,
{
    let quiet = Box::pin(tokio::time::sleep(keep_alive));
    let stream = KeepAlive {
        events,
        quiet,
        period: keep_alive,
    };
    let kind = "text/event-stream; charset=utf-8";
    (headers(kind), Body::from_stream(stream)).into_response()
}

/// Appends an object as an event.
pub(crate) fn push_json<T: Serialize>(text: &mut String, name: Option<&str>, object: &T) {
    match serde_json::to_string(object) {
        Ok(json) => {
            let event = Event {
                name: name.map(str::to_owned),
                ..Event::data(json)
            };
            text.push_str(&event.encode());
        }
        // Plain structs of strings and finite numbers always serialise.
        Err(error) => tracing::error!(%error, "an event could not be written"),
    }
}

/// Appends an object as a line.
pub(crate) fn push_line<T: Serialize>(text: &mut String, object: &T) {
    match serde_json::to_string(object) {
        Ok(json) => {
            text.push_str(&json);
            text.push('\n');
        }
        Err(error) => tracing::error!(%error, "a line could not be written"),
    }
}

/// An answer made of lines, each a JSON object. When the client goes, the stream is dropped.
pub(crate) fn respond_lines<S>(lines: S) -> Response
where
    S: Stream<Item = String> + Send + 'static,
{
    let stream = lines.map(|text| Ok::<_, Infallible>(Bytes::from(text)));
    (headers("application/x-ndjson"), Body::from_stream(stream)).into_response()
}

fn headers(kind: &'static str) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Proxies that buffer would hold the words back.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ]
}

struct KeepAlive<S> {
    events: S,
    quiet: Pin<Box<Sleep>>,
    period: Duration,
}

impl<S: Stream<Item = String> + Unpin> Stream for KeepAlive<S> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let text = match Pin::new(&mut self.events).poll_next(context) {
            Poll::Ready(Some(text)) => text,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => match self.quiet.as_mut().poll(context) {
                Poll::Ready(()) => sse::comment("keep-alive"),
                Poll::Pending => return Poll::Pending,
            },
        };
        let next = Instant::now() + self.period;
        self.quiet.as_mut().reset(next);
        Poll::Ready(Some(Ok(Bytes::from(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    #[tokio::test]
    async fn silence_is_broken_by_comments() {
        let period = Duration::from_millis(1);
        let quiet = Box::pin(tokio::time::sleep(period));
        let events = stream::iter(["data: x\n\n".to_owned()]).chain(stream::pending());
        let kept = KeepAlive {
            events,
            quiet,
            period,
        };
        let pieces: Vec<Bytes> = kept.take(3).map(|piece| piece.unwrap()).collect().await;
        assert_eq!(
            pieces,
            ["data: x\n\n", ": keep-alive\n\n", ": keep-alive\n\n"]
        );
    }
}
