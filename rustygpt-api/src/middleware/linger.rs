//! Reads what is left of a body whose request was already refused.
//!
//! A client that is still sending when the connection closes sees a broken connection instead of
//! the answer: closing a socket with unread bytes resets it.

use crate::state::ApiState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use rustygpt_utils::tasks::Tasks;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes read and thrown away at most.
const LEFTOVER_BYTES: usize = 64 << 20;
/// How long that may take.
const LEFTOVER_TIME: Duration = Duration::from_secs(3);

/// Lets a refused request's answer reach a client that is still sending.
pub(crate) async fn read_to_the_end(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let tasks = state.tasks.clone();
    let request = request.map(|body| {
        Body::new(LingeringBody {
            body: Some(body),
            tasks,
            has_ended: false,
        })
    });
    next.run(request).await
}

struct LingeringBody {
    body: Option<Body>,
    tasks: Tasks,
    has_ended: bool,
}

impl HttpBody for LingeringBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.has_ended = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for LingeringBody {
    fn drop(&mut self) {
        if self.has_ended || self.is_end_stream() || self.tasks.cancellation().is_cancelled() {
            return;
        }
        if let Some(body) = self.body.take() {
            self.tasks
                .spawn(tokio::time::timeout(LEFTOVER_TIME, discard(body)));
        }
    }
}

async fn discard(body: Body) {
    let mut left = LEFTOVER_BYTES;
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        left = left.saturating_sub(piece.len());
        if left == 0 {
            break;
        }
    }
}
