//! The one log line of a request.

use super::server::{Answer, Server};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// What all tests of this binary logged.
static LOG: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(Collector)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    Mutex::default()
});

struct Collector;

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Collector {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        Self
    }
}

fn logged() -> String {
    String::from_utf8(LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
}

/// The line of a request; it is written when the last byte has left, so it may take a moment.
async fn line_of(id: &str) -> Value {
    loop {
        let log = logged();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(line) = lines.find(|line| line["request.id"] == id) {
            return line;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_leaves_one_line_without_its_words() {
    LazyLock::force(&LOG);
    let server = Server::saying("hush-canary-answer").await;
    for (id, stream) in [("log-whole", false), ("log-stream", true)] {
        let messages = json!([{"role": "user", "content": "hush-canary-prompt"}]);
        let fields = json!({"messages": messages, "stream": stream, "store": true});
        let answer = Answer::of(server.chat(&fields).header("x-request-id", id)).await;
        assert_eq!(answer.status, 200);
        let line = line_of(id).await;
        assert_eq!(line["http.route"], "/v1/chat/completions");
        assert_eq!(line["http.status"], "200");
        assert_eq!(line["model.name"], "parrot");
        assert_eq!(line["stream"], stream);
        assert_eq!(line["completion_tokens"], "hush-canary-answer".len() + 1);
        assert!(line["prompt_tokens"].as_u64().unwrap() > 10);
        assert!(line["tokens_per_second"].as_f64().unwrap() > 0.0);
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
        assert_eq!(line["ignored"], "store");
        assert_eq!(line["outcome"], "complete");
    }
    let wrong = json!({"messages": [{"role": "user", "content": {"hush-canary-key": 1}}]});
    Answer::of(server.chat(&wrong).header("x-request-id", "log-error")).await;
    let line = line_of("log-error").await;
    assert_eq!(line["error.code"], "invalid_type");
    assert_eq!(line["error.param"], "messages[0].content");
    let log = logged();
    assert!(
        !log.contains("hush-canary"),
        "words of a request are in the log"
    );
    assert!(!log.contains(super::server::KEY), "the key is in the log");
    assert_eq!(log.matches("\"log-whole\"").count(), 1);
}
