//! Clients that go, and clients that are too many.

use super::raw::{read_answer, request};
use super::server::{Answer, Server, Setup, chat_body, failed};
use futures::StreamExt;
use rustygpt_model::engine::EngineOptions;
use rustygpt_model::scripted::{Gate, Script};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn gated(slots: usize, queue_limit: usize) -> (Server, Gate) {
    let gate = Gate::closed();
    let options = EngineOptions {
        slots,
        queue_limit,
        ..EngineOptions::default()
    };
    let script = Script::answering("some words")
        .behind(&gate)
        .with_options(options);
    (Setup::new(script).start().await, gate)
}

/// Tokens of the gated model's whole answer.
const WHOLE: u64 = "some words".len() as u64 + 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_stream_frees_its_slot_within_a_step() {
    let (server, gate) = gated(1, 8).await;
    let response = server.chat(&json!({"stream": true})).send().await.unwrap();
    let mut body = response.bytes_stream();
    assert!(body.next().await.unwrap().is_ok(), "the role chunk");
    gate.open(3);
    gate.wait_for_arrival(4);
    assert_eq!(server.models[0].status().running, 1);
    drop(body);
    server.until_counted("200").await;
    // The fourth step holds at the gate. Whoever waits gets the slot right after it.
    let next = server.tasks.spawn(Answer::of(server.chat(&json!({}))));
    server.until(|_, waiting| waiting == 1).await;
    gate.open_for_good();
    assert_eq!(next.await.unwrap().status, 200);
    let tokens = server.models[0].status().completion_tokens_total;
    assert!(
        tokens <= 4 + WHOLE,
        "{tokens} tokens: the first answer went on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_whole_answer_frees_its_slot_within_a_step() {
    let (server, gate) = gated(1, 8).await;
    let body = chat_body(&json!({})).to_string();
    let bytes = request(&server, "POST /v1/chat/completions", &[], body.as_bytes());
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&bytes).await.unwrap();
    gate.wait_for_arrival(1);
    assert_eq!(server.models[0].status().running, 1);
    drop(socket);
    server.until_counted("none").await;
    gate.open_for_good();
    assert_eq!(server.answer(json!({})).await.status, 200);
    let tokens = server.models[0].status().completion_tokens_total;
    assert!(
        tokens <= 1 + WHOLE,
        "{tokens} tokens: the first answer went on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_it_waits_frees_its_place_within_a_step() {
    let (server, gate) = gated(1, 1).await;
    let first = server.tasks.spawn(Answer::of(server.chat(&json!({}))));
    gate.wait_for_arrival(1);
    let waiting = server.chat(&json!({"stream": true})).send().await.unwrap();
    assert_eq!(waiting.status(), 200, "it was admitted");
    server.until(|_, waiting| waiting == 1).await;
    drop(waiting);
    server.until_counted("200").await;
    gate.open(1);
    server
        .until(|running, waiting| running == 1 && waiting == 0)
        .await;
    gate.open_for_good();
    assert_eq!(first.await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_429_with_a_time_to_come_back() {
    let (server, gate) = gated(1, 2).await;
    let flood: Vec<_> = (0..12)
        .map(|_| server.tasks.spawn(Answer::of(server.chat(&json!({})))))
        .collect();
    let mut refused = 0;
    let mut pending = futures::stream::FuturesUnordered::from_iter(flood);
    while refused < 9 {
        let answer = pending.next().await.unwrap().unwrap();
        assert_eq!(answer.failure(), failed(429, "queue_full", None));
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(seconds >= 1);
        refused += 1;
    }
    gate.open_for_good();
    while let Some(answer) = pending.next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(server.answer(json!({})).await.status, 200, "it heals");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_answers_while_the_engine_is_busy() {
    let (server, gate) = gated(1, 2).await;
    let busy = server.tasks.spawn(Answer::of(server.chat(&json!({}))));
    gate.wait_for_arrival(1);
    assert_eq!(server.get("/readyz").await.status, 200);
    let status = server.get("/status").await.json();
    assert_eq!(status["models"][0]["running"], 1);
    gate.open_for_good();
    assert_eq!(busy.await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_answers_finish_and_ends_endless_ones_with_an_error_event() {
    let gate = Gate::closed();
    let mut setup = Setup::new(Script::answering("never said").behind(&gate));
    setup.options.drain_time = std::time::Duration::from_millis(50);
    let server = setup.start().await;
    let response = server.chat(&json!({"stream": true})).send().await.unwrap();
    let body = chat_body(&json!({})).to_string();
    let mut whole = TcpStream::connect(server.address).await.unwrap();
    let bytes = request(&server, "POST /v1/chat/completions", &[], body.as_bytes());
    whole.write_all(&bytes).await.unwrap();
    server
        .until(|running, waiting| running + waiting == 2)
        .await;
    server.tasks.cancel();
    let text = response.text().await.unwrap();
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.starts_with("data: {\"error\":"), "{text}");
    let answer = read_answer(&mut whole).await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    gate.open_for_good();
    while !server.serving.is_finished() {
        tokio::task::yield_now().await;
    }
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "the port is closed"
    );
}
