//! A hub on this machine: serves files, breaks off, redirects, and remembers what it was sent.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// What the hub does with one path.
#[derive(Clone)]
pub(crate) enum Act {
    /// Serves bytes, with ranges; the first answer ends after `break_after` bytes.
    File {
        bytes: Vec<u8>,
        etag: &'static str,
        break_after: Option<usize>,
    },
    /// Redirects, naming the digest as Hugging Face does.
    Redirect {
        to: String,
        linked_etag: Option<String>,
    },
    /// Answers JSON.
    Json(serde_json::Value),
    /// Answers a status and nothing else.
    Status(u16),
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) authorization: Option<String>,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

#[derive(Clone, Default)]
struct Shared {
    acts: Arc<Mutex<HashMap<String, Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) struct FakeHub {
    pub(crate) address: SocketAddr,
    shared: Shared,
    _runtime: tokio::runtime::Runtime,
}

impl FakeHub {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Shared::default();
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn on(&self, path: &str, act: Act) {
        self.shared
            .acts
            .lock()
            .unwrap()
            .insert(path.to_owned(), act);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let sent = |name| {
        request
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    let seen = Seen {
        authorization: sent(header::AUTHORIZATION),
        range: sent(header::RANGE),
        if_range: sent(header::IF_RANGE),
    };
    shared.seen.lock().unwrap().push(seen.clone());
    let response = Response::builder();
    let act = shared.acts.lock().unwrap().get(&path).cloned();
    match act {
        None => response.status(404).body(Body::empty()).unwrap(),
        Some(Act::Status(status)) => response.status(status).body(Body::empty()).unwrap(),
        Some(Act::Json(json)) => response.body(Body::from(json.to_string())).unwrap(),
        Some(Act::Redirect { to, linked_etag }) => {
            let mut response = response
                .status(StatusCode::FOUND)
                .header(header::LOCATION, to);
            if let Some(tag) = linked_etag {
                response = response.header("x-linked-etag", format!("\"{tag}\""));
            }
            response.body(Body::empty()).unwrap()
        }
        Some(Act::File {
            bytes,
            etag,
            break_after,
        }) => {
            let if_range_holds = seen.if_range.as_deref().is_none_or(|tag| tag == etag);
            let start = seen
                .range
                .as_deref()
                .filter(|_| if_range_holds)
                .map_or(0, |range| {
                    range
                        .strip_prefix("bytes=")
                        .unwrap()
                        .trim_end_matches('-')
                        .parse()
                        .unwrap()
                });
            let total = bytes.len();
            let mut response = response.header(header::ETAG, etag);
            response = if start > 0 {
                let range = format!("bytes {start}-{}/{total}", total - 1);
                response.status(206).header(header::CONTENT_RANGE, range)
            } else {
                response
            };
            response = response.header(header::CONTENT_LENGTH, total - start);
            let rest = bytes[start..].to_vec();
            let body = match break_after.filter(|_| start == 0) {
                None => Body::from(rest),
                Some(count) => {
                    let first = futures::stream::iter([Ok(rest[..count].to_vec())]);
                    // Pending once, so that the bytes are on their way before the line is cut.
                    let cut = futures::stream::once(async {
                        tokio::task::yield_now().await;
                        Err(std::io::Error::other("gone"))
                    });
                    Body::from_stream(futures::StreamExt::chain(first, cut))
                }
            };
            response.body(body).unwrap()
        }
    }
}
