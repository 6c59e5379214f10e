//! Names, measures and logs every request: one line, when the last byte has left or the client
//! has gone.

use super::forwarded::Forwarded;
use super::{Peer, REQUEST_ID, Record};
use crate::error::{ApiError, Failure};
use crate::state::ApiState;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// Longest request id taken over from a client.
const ID_BYTES: usize = 128;

/// The name of one request, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Names, measures and logs a request.
pub(crate) async fn observe(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = match clients_id(request.headers()) {
        Some(id) => id,
        None => match (state.new_id)("req_") {
            Ok(id) => id,
            Err(error) => return ApiError::internal(error).into_response(),
        },
    };
    let peer = request.extensions().get::<Peer>().copied();
    let record = Record::default();
    request.extensions_mut().insert(record.clone());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut line = Line {
        id,
        route: request
            .extensions()
            .get::<MatchedPath>()
            .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned()),
        method: method_name(request.method()),
        client: Forwarded::read(peer, request.headers(), &state.trusted_proxies).client,
        start: Instant::now(),
        record,
        status: None,
        failure: None,
        is_complete: false,
        state,
    };
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&line.id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    line.status = Some(response.status().as_u16());
    line.failure = response.extensions_mut().remove::<Failure>();
    response.map(|body| Body::new(ObservedBody { body, line }))
}

fn clients_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (!id.is_empty() && id.len() <= ID_BYTES && id.bytes().all(is_plain)).then(|| id.to_owned())
}

/// A method's name, out of a closed set: a client must not be able to fill the metrics.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

/// The log line of one request, written when it is dropped.
struct Line {
    id: String,
    route: String,
    method: &'static str,
    client: Option<IpAddr>,
    start: Instant,
    record: Record,
    /// `None` while there is no response: the client went before there was one.
    status: Option<u16>,
    failure: Option<Failure>,
    is_complete: bool,
    state: ApiState,
}

impl Drop for Line {
    fn drop(&mut self) {
        let duration = self.start.elapsed();
        let facts = self.record.facts();
        let status = self
            .status
            .map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.state
            .measurements
            .request(&self.route, self.method, &status, duration);
        if let (Some(model), Some(prompt)) = (&facts.model, facts.prompt_tokens) {
            let completion = facts.completion_tokens.unwrap_or(0);
            self.state.measurements.tokens(model, prompt, completion);
        }
        if let (Some(accounts), Some(who)) = (&self.state.accounts, &facts.who) {
            let tokens = (
                facts.prompt_tokens.unwrap_or(0),
                facts.completion_tokens.unwrap_or(0),
            );
            accounts.record_usage(who, facts.reservation, facts.model.as_deref(), tokens);
        }
        let seconds = duration.as_secs_f64();
        let tokens_per_second = facts
            .completion_tokens
            .filter(|_| seconds > 0.0)
            .map(|tokens| (tokens as f64 / seconds * 10.0).round() / 10.0);
        let ignored = (!facts.ignored.is_empty()).then(|| facts.ignored.join(", "));
        let outcome = match (self.is_complete, &facts.broke_off) {
            (_, Some(reason)) => reason.as_str(),
            (true, None) => "complete",
            (false, None) => "client disconnected",
        };
        if let Some(inside) = self
            .failure
            .as_ref()
            .and_then(|failure| failure.inside.as_ref())
        {
            tracing::error!(
                request.id = self.id,
                error = inside.as_ref() as &(dyn std::error::Error + 'static),
                "request failed"
            );
        }
        tracing::info!(
            request.id = self.id,
            http.method = self.method,
            http.route = self.route,
            http.status = status,
            client = self.client.map(tracing::field::display),
            duration_ms = (seconds * 1e4).round() / 10.0,
            model.name = facts.model,
            stream = facts.is_stream,
            prompt_tokens = facts.prompt_tokens,
            completion_tokens = facts.completion_tokens,
            tokens_per_second,
            ignored,
            error.code = self.failure.as_ref().map(|failure| failure.code.as_str()),
            error.param = self
                .failure
                .as_ref()
                .and_then(|failure| failure.param.as_deref()),
            outcome,
            "request"
        );
    }
}

/// A response's body, which takes the log line along.
struct ObservedBody {
    body: Body,
    line: Line,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.line.is_complete = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        self.line.is_complete |= self.body.is_end_stream();
    }
}
