//! One connection: TLS, HTTP/1.1 or HTTP/2, and when it ends.

use super::ServeOptions;
use super::activity::{Activity, OneRequest};
use crate::middleware::Peer;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::rt::{Executor, Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustygpt_utils::tasks::Tasks;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What hyper reads of headers before it gives up on its own, without a body. Larger than the
/// middleware's limit, which answers with one.
const HEADER_BUFFER: usize = 128 << 10;
const HEADER_COUNT: usize = 256;
/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// How often a quiet HTTP/2 connection is asked whether it still lives.
const PING: Duration = Duration::from_secs(20);
/// How long a connection that is to end may take to do so by itself.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connections {
    router: Router,
    builder: auto::Builder<TasksExecutor>,
    tls: Option<TlsAcceptor>,
    header_time: Duration,
    stopping: CancellationToken,
    ended: CancellationToken,
}

#[derive(Clone)]
struct TasksExecutor(Tasks);

impl<F> Executor<F> for TasksExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

impl Connections {
    pub(super) fn new(
        router: Router,
        options: &ServeOptions,
        tasks: Tasks,
        ended: CancellationToken,
    ) -> Self {
        let stopping = tasks.cancellation();
        let mut builder = auto::Builder::new(TasksExecutor(tasks));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(options.header_time)
            .max_buf_size(HEADER_BUFFER)
            .max_headers(HEADER_COUNT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER_BUFFER as u32)
            .keep_alive_interval(PING);
        Self {
            router,
            builder,
            tls: options.tls.clone().map(TlsAcceptor::from),
            header_time: options.header_time,
            stopping,
            ended,
        }
    }

    /// Serves one connection to its end. Its errors are its client's affair.
    pub(super) async fn serve(self, stream: TcpStream, address: SocketAddr) {
        // Words of an answer must not wait for more to fill a packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        match &self.tls {
            None => {
                let peer = Peer {
                    address,
                    is_encrypted: false,
                };
                self.speak(TokioIo::new(stream), peer).await;
            }
            Some(acceptor) => {
                let handshake = tokio::time::timeout(self.header_time, acceptor.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => {
                        let peer = Peer {
                            address,
                            is_encrypted: true,
                        };
                        self.speak(TokioIo::new(stream), peer).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                }
            }
        }
    }

    async fn speak<I>(&self, io: I, peer: Peer)
    where
        I: Read + Write + Send + Unpin + 'static,
    {
        let activity = Activity::default();
        let router = self.router.clone();
        let requests = activity.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            answer(router.clone(), request, peer, requests.begin())
        });
        let mut connection = pin!(self.builder.serve_connection(io, service));
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = activity.idle_for(self.header_time) => {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(LAST_WORDS, connection).await;
                return;
            }
            () = self.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        // Told to stop: requests go on until they are done, idle connections end.
        tokio::select! {
            _ = connection => {}
            () = activity.idle_for(LAST_WORDS.min(self.header_time)) => {}
            () = self.ended.cancelled() => {}
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: Peer,
    one_request: OneRequest,
) -> Result<Response<CountedBody>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| CountedBody {
        body,
        _one_request: one_request,
    }))
}

/// A response's body, which tells the connection when it is done.
struct CountedBody {
    body: Body,
    _one_request: OneRequest,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
