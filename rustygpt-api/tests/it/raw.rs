//! HTTP/1.1 by hand, for what no client library would send.

use super::server::{KEY, Server};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends bytes and reads one answer. `None` when the server closed without one.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<RawAnswer> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server may refuse and close before all is sent.
    let _ = socket.write_all(bytes).await;
    read_answer(&mut socket).await
}

/// Reads one answer with a Content-Length, or what comes until the end.
pub(crate) async fn read_answer(socket: &mut TcpStream) -> Option<RawAnswer> {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = parse(&bytes) {
            return Some(answer);
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<RawAnswer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = RawAnswer {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    };
    let length: usize = answer
        .header("content-length")
        .map_or(Some(0), |text| text.parse().ok())?;
    (answer.body.len() >= length).then(|| {
        answer.body.truncate(length);
        answer
    })
}

/// A request with these lines after the request line; `Host` and the key are added unless a line
/// brings its own.
pub(crate) fn request(server: &Server, first: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let brings = |name: &str| {
        lines
            .iter()
            .any(|line| line.to_lowercase().starts_with(name))
    };
    let mut head = format!("{first} HTTP/1.1\r\n");
    if !brings("host:") {
        head += &format!("Host: {}\r\n", server.address);
    }
    if !brings("authorization:") {
        head += &format!("Authorization: Bearer {KEY}\r\n");
    }
    for line in lines {
        head += &format!("{line}\r\n");
    }
    if !body.is_empty() && !brings("content-length:") && !brings("transfer-encoding:") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    [head.as_bytes(), body].concat()
}
