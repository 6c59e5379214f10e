//! A question becomes a response: streamed or whole.

use super::Cost;
use super::gather::{Said, gather};
use super::opening::{Asking, Head, Opened, Question};
use super::stream::{AnswerStream, Format, LateStream, Writer};
use crate::error::ApiError;
use crate::middleware::IGNORED;
use crate::sse;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use rustygpt_orchestrator::models::Lease;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a stream of events waits for its model before its headers go out: what fails within
/// this time fails with a status code.
const HEADERS_WITHIN: Duration = Duration::from_secs(1);

/// What a whole answer is written from.
pub(crate) struct Complete {
    pub(crate) head: Head,
    pub(crate) lease: Arc<Lease>,
    /// When the request came.
    pub(crate) start: Instant,
    /// When the model was there.
    pub(crate) loaded: Instant,
    /// When the first token came.
    pub(crate) first: Option<Instant>,
    /// The choices, those of the first request first.
    pub(crate) said: Vec<Said>,
    pub(crate) cost: Cost,
}

/// Answers with one object.
///
/// # Errors
/// Whatever refuses the question or breaks the answer off.
pub(crate) async fn whole<T: Serialize>(
    asking: Asking,
    question: Question,
    write: impl FnOnce(Complete) -> Result<T, ApiError>,
) -> Result<Response, ApiError> {
    asking.record.note(|facts| facts.is_stream = Some(false));
    let ending = asking.ending.clone();
    let lease = Arc::new(asking.lease(&question.model).await?);
    let Opened {
        head,
        lease,
        start,
        loaded,
        choices,
        cost,
        voice,
        meter,
        ignored,
    } = asking.open(lease, question).await?;
    let gathered = tokio::select! {
        gathered = gather(voice, meter, cost, choices) => gathered,
        () = ending.token().cancelled() => Err(ending.reason().0),
    };
    let (said, cost, first) = gathered?;
    let complete = Complete {
        head,
        lease,
        start,
        loaded,
        first,
        said,
        cost,
    };
    let response = Json(write(complete)?).into_response();
    Ok(with_ignored(response, &ignored))
}

/// Answers with a stream, written by what `writer` makes once the answer has begun.
///
/// # Errors
/// What refuses the question before the headers go out.
pub(crate) async fn streamed<W: Writer>(
    asking: Asking,
    question: Question,
    writer: impl FnOnce(&Opened) -> W + Send + 'static,
) -> Result<Response, ApiError> {
    asking.record.note(|facts| facts.is_stream = Some(true));
    let keep_alive = asking.state.limits.keep_alive;
    let ending = asking.ending.clone();
    let begin = move |opened: Opened| {
        let writer = writer(&opened);
        AnswerStream::new(opened, writer, ending)
    };
    let (asks, model) = (asking.clone(), question.model.clone());
    let mut leasing = Box::pin(async move { asks.lease(&model).await });
    if W::FORMAT == Format::Lines {
        let lease = Arc::new(leasing.await?);
        let opened = asking.open(lease, question).await?;
        let ignored = opened.ignored.clone();
        return Ok(with_ignored(sse::respond_lines(begin(opened)), &ignored));
    }
    match tokio::time::timeout(HEADERS_WITHIN.min(keep_alive), &mut leasing).await {
        Ok(lease) => {
            let opened = asking.open(Arc::new(lease?), question).await?;
            let ignored = opened.ignored.clone();
            let response = sse::respond(begin(opened), keep_alive);
            Ok(with_ignored(response, &ignored))
        }
        // The model is being loaded. A client that hears nothing would give up.
        Err(_) => {
            let (known, record) = (question.ignored.clone(), asking.record.clone());
            let opening = async move {
                let lease = Arc::new(leasing.await?);
                Ok(begin(asking.open(lease, question).await?))
            };
            let events = LateStream::new(Box::pin(opening), record);
            Ok(with_ignored(sse::respond(events, keep_alive), &known))
        }
    }
}

/// Names the parameters that had no effect or a different one.
fn with_ignored(mut response: Response, ignored: &[String]) -> Response {
    if !ignored.is_empty()
        && let Ok(names) = HeaderValue::from_str(&ignored.join(", "))
    {
        response.headers_mut().insert(IGNORED, names);
    }
    response
}
