//! What a connection may cost.

use super::raw::{exchange, read_answer, request};
use super::server::{Server, Setup};
use rustygpt_model::scripted::Script;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn impatient() -> Server {
    let mut setup = Setup::new(Script::answering("x"));
    setup.options.header_time = Duration::from_millis(30);
    setup.start().await
}

/// Reads until the server closes.
async fn closes(mut socket: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    rest
}

#[tokio::test]
async fn connections_that_never_finish_their_headers_are_closed() {
    let server = impatient().await;
    for beginning in [
        "",
        "G",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        "PRI * HT",
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(beginning.as_bytes()).await.unwrap();
        let answer = closes(socket).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{beginning:?}");
    }
}

#[tokio::test]
async fn a_connection_is_reused_and_closed_when_it_idles() {
    let server = impatient().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let bytes = request(&server, "GET /healthz", &[], b"");
    for _ in 0..3 {
        socket.write_all(&bytes).await.unwrap();
        assert_eq!(read_answer(&mut socket).await.unwrap().status, 200);
    }
    assert_eq!(closes(socket).await, b"");
}

#[tokio::test]
async fn healthy_clients_are_served_beside_many_slow_ones() {
    let server = Server::saying("x").await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: local")
            .await
            .unwrap();
        slow.push(socket);
    }
    assert_eq!(server.get("/v1/models").await.status, 200);
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_served_and_the_others_wait() {
    let mut setup = Setup::new(Script::answering("x"));
    setup.options.connections = 2;
    setup.options.header_time = Duration::from_millis(200);
    let server = setup.start().await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    // The third is in the operating system's queue until one of the others is closed.
    let bytes = request(&server, "GET /healthz", &[], b"");
    let answer = exchange(server.address, &bytes).await.unwrap();
    assert_eq!(answer.status, 200);
    drop((first, second));
}

#[tokio::test]
async fn a_server_that_stops_closes_idle_connections_at_once() {
    let server = Server::saying("x").await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(&request(&server, "GET /healthz", &[], b""))
        .await
        .unwrap();
    assert_eq!(read_answer(&mut socket).await.unwrap().status, 200);
    server.tasks.cancel();
    assert_eq!(closes(socket).await, b"");
    server.tasks.wait().await;
}
