//! The accept loop. It bounds what a connection may cost: how long its headers may take, how long
//! it may idle, how many there are, and how long the last ones may go on at shutdown.

mod activity;
mod connection;
pub mod tls;

use axum::Router;
use connection::Connections;
use rustygpt_utils::tasks::Tasks;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// After a failed accept (too many open files, usually), how long to wait at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What a connection may cost.
#[derive(Clone)]
pub struct ServeOptions {
    /// How long a connection may be without a complete request: during the TLS handshake, while
    /// headers arrive, and between two requests.
    pub header_time: Duration,
    /// How many connections there may be; more wait in the operating system's queue.
    pub connections: usize,
    /// How long open requests may go on after the server was told to stop. Streams then end with
    /// an error event.
    pub drain_time: Duration,
    /// How long the last connections may take to say so.
    pub farewell_time: Duration,
    /// Encrypts connections.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Cancelled when the time to drain is over; the same token as
    /// [`crate::ApiParts::ending`].
    pub ending: CancellationToken,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_time: Duration::from_secs(15),
            connections: 4096,
            drain_time: Duration::from_secs(25),
            farewell_time: Duration::from_secs(4),
            tls: None,
            ending: CancellationToken::new(),
        }
    }
}

/// Serves until `tasks` are cancelled, then lets open requests finish within the bounds of
/// `options`. Returns when the last connection is closed.
///
/// # Errors
/// None at present: a connection's error ends that connection, a failed accept is tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    tasks: Tasks,
) -> io::Result<()> {
    let stopping = tasks.cancellation();
    let places = Arc::new(Semaphore::new(options.connections));
    let ended = CancellationToken::new();
    let connections = Connections::new(router, &options, tasks.clone(), ended.clone());
    let mut backoff = BACKOFF.0;
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((place, stream, address)) => {
                backoff = BACKOFF.0;
                let connection = connections.clone().serve(stream, address);
                tasks.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, wait_ms = backoff.as_millis() as u64, "accept failed");
                tokio::select! {
                    () = stopping.cancelled() => break,
                    () = tokio::time::sleep(backoff) => {}
                }
                backoff = (backoff * 2).min(BACKOFF.1);
            }
        }
    }
    drop(listener);
    drain(&options, &places, &ended).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(
    tokio::sync::OwnedSemaphorePermit,
    tokio::net::TcpStream,
    std::net::SocketAddr,
)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((place, stream, address))
}

/// Whether the error tells of a client that went before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn drain(options: &ServeOptions, places: &Semaphore, ended: &CancellationToken) {
    let all = u32::try_from(options.connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(options.drain_time, places.acquire_many(all))
        .await
        .is_ok()
    {
        options.ending.cancel();
        return;
    }
    options.ending.cancel();
    if tokio::time::timeout(options.farewell_time, places.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time and were cut");
        ended.cancel();
    }
}
