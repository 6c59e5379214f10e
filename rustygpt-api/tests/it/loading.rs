//! Models that are loaded when they are asked for, and go when their room is needed.

use super::server::{Answer, Server, Setup, chat_body, failed};
use futures::StreamExt;
use reqwest::Method;
use rustygpt_common::sse::Parser;
use rustygpt_model::contract::ModelError;
use rustygpt_model::engine::EmbeddingOptions;
use rustygpt_model::scripted::{Gate, Script, scripted_embedder, scripted_model};
use rustygpt_orchestrator::models::residency::Phase;
use rustygpt_orchestrator::models::{About, Bounds, Capability, Loaded, Offer, Source};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

type Load = Box<dyn FnMut() -> Result<Loaded, ModelError> + Send>;

/// A model of 60 bytes whose loading a test describes.
struct Scripted(Mutex<Load>);

impl Source for Scripted {
    fn load(&self, _room: Option<u64>) -> Result<Loaded, ModelError> {
        self.0.lock().unwrap()()
    }
}

fn offer(
    id: &str,
    capability: Capability,
    load: impl FnMut() -> Result<Loaded, ModelError> + Send + 'static,
) -> Offer {
    Offer {
        about: About {
            id: id.to_owned(),
            capability,
            architecture: "scripted".to_owned(),
            quantization: "none".to_owned(),
            parameters: 12,
            context_length: Some(512),
            created: 1_700_000_000,
        },
        needed_bytes: 60,
        is_pinned: false,
        source: Arc::new(Scripted(Mutex::new(Box::new(load)))),
    }
}

/// A model that says `text`, at once or behind a gate.
fn saying(id: &'static str, text: &'static str, gate: Option<Arc<Gate>>) -> Offer {
    offer(id, Capability::Language, move || {
        let script = Script::answering(text);
        let script = match &gate {
            Some(gate) => script.behind(gate),
            None => script,
        };
        let model = scripted_model(id, script)?.into();
        Ok(Loaded { model, bytes: 60 })
    })
}

/// A model whose loads each wait for a word, and fail if it is a bad one.
fn slow(id: &'static str) -> (Offer, mpsc::Sender<bool>) {
    let (sender, words) = mpsc::channel();
    let offer = offer(id, Capability::Language, move || match words.recv() {
        Ok(true) => {
            let model = scripted_model(id, Script::answering("worth the wait"))?.into();
            Ok(Loaded { model, bytes: 60 })
        }
        _ => Err(ModelError::InvalidFile {
            path: "/secret/place/slow.gguf".into(),
            reason: "it is no model".to_owned(),
        }),
    });
    (offer, sender)
}

async fn serve(offers: Vec<Offer>, bounds: Bounds) -> Server {
    let mut setup = Setup::new(Script::answering("unused"));
    setup.models.clear();
    setup.aliases.clear();
    setup.offers = offers;
    setup.bounds = bounds;
    setup.limits.keep_alive = Duration::from_millis(1);
    setup.start().await
}

const ROOM_FOR_ONE: Bounds = Bounds {
    memory: Some(100),
    keep_alive: None,
};

impl Server {
    fn phase(&self, id: &str) -> Phase {
        let mut all = self.all_models.overview();
        all.find(|it| it.about.id == id).unwrap().standing.phase
    }

    async fn until_phase(&self, id: &str, wanted: Phase) {
        while self.phase(id) != wanted {
            tokio::task::yield_now().await;
        }
    }

    async fn until_waiting(&self, id: &str, count: usize) {
        let waiting = || {
            let mut all = self.all_models.overview();
            all.find(|it| it.about.id == id).unwrap().standing.waiting
        };
        while waiting() != count {
            tokio::task::yield_now().await;
        }
    }

    async fn ask(&self, model: &str) -> Answer {
        self.answer(json!({"model": model})).await
    }
}

fn content(answer: &Answer) -> String {
    let content = &answer.json()["choices"][0]["message"]["content"];
    content.as_str().unwrap().to_owned()
}

/// The status of each model: `(id, state, bytes)`.
async fn states(server: &Server) -> Vec<(String, String, u64)> {
    let status = server.get("/status").await.json();
    let state = |model: &Value| {
        (
            model["id"].as_str().unwrap().to_owned(),
            model["state"].as_str().unwrap().to_owned(),
            model["memory_bytes"].as_u64().unwrap(),
        )
    };
    status["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(state)
        .collect()
}

fn state(id: &str, state: &str, bytes: u64) -> (String, String, u64) {
    (id.to_owned(), state.to_owned(), bytes)
}

#[tokio::test]
async fn two_models_share_the_room_for_one() {
    let offers = vec![saying("a", "I am a", None), saying("b", "I am b", None)];
    let server = serve(offers, ROOM_FOR_ONE).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    let list = server.get("/v1/models").await.json();
    assert_eq!(list["data"][0]["id"], "a");
    assert_eq!(list["data"][1]["id"], "b");
    assert_eq!(
        states(&server).await,
        [state("a", "not loaded", 0), state("b", "not loaded", 0)]
    );
    for _ in 0..2 {
        for (id, text) in [("a", "I am a"), ("b", "I am b")] {
            let answer = server.ask(id).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(content(&answer), text);
        }
    }
    assert_eq!(
        states(&server).await,
        [state("a", "not loaded", 0), state("b", "running", 60)]
    );
    let metrics = server.get("/metrics").await.text;
    for line in [
        "rustygpt_model_bytes{model=\"a\"} 0",
        "rustygpt_model_bytes{model=\"b\"} 60",
        "rustygpt_engine_running{model=\"a\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_answers_is_not_unloaded_for_another() {
    let gate = Arc::new(Gate::closed());
    let offers = vec![
        saying("a", "a long answer", Some(Arc::clone(&gate))),
        saying("b", "I am b", None),
    ];
    let server = serve(offers, ROOM_FOR_ONE).await;
    let long = server.chat(&json!({"model": "a", "stream": true}));
    let mut long = long.send().await.unwrap().bytes_stream();
    let mut text = String::from_utf8(long.next().await.unwrap().unwrap().to_vec()).unwrap();
    let other = server
        .tasks
        .spawn(Answer::of(server.chat(&json!({"model": "b"}))));
    server.until_waiting("b", 1).await;
    assert_eq!(
        states(&server).await[1],
        state("b", "waiting for memory", 0)
    );
    gate.open_for_good();
    while let Some(piece) = long.next().await {
        text += std::str::from_utf8(&piece.unwrap()).unwrap();
    }
    assert!(text.contains("[DONE]"), "{text}");
    drop(long);
    assert_eq!(content(&other.await.unwrap()), "I am b");
    assert_eq!(server.phase("a"), Phase::Absent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_model_loads_a_stream_has_headers_and_comments_and_a_whole_answer_waits() {
    let (offer, load) = slow("slow");
    let server = serve(vec![offer], Bounds::default()).await;
    let whole = server
        .tasks
        .spawn(Answer::of(server.chat(&json!({"model": "slow"}))));
    let stream = server.chat(&json!({"model": "slow", "stream": true, "store": true}));
    let response = stream.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.contains(": keep-alive") {
        text += std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(text.starts_with(": loading the model"), "{text}");
    assert!(
        !text.contains("data:"),
        "no role before the request is admitted: {text}"
    );
    assert_eq!(states(&server).await, [state("slow", "loading", 60)]);
    server.until_waiting("slow", 2).await;
    load.send(true).unwrap();
    while let Some(piece) = body.next().await {
        text += std::str::from_utf8(&piece.unwrap()).unwrap();
    }
    let events = Parser::default().push(text.as_bytes()).unwrap();
    assert!(events[0].data.contains(r#""role":"assistant""#), "{text}");
    assert_eq!(events.last().unwrap().data, "[DONE]");
    let whole = whole.await.unwrap();
    assert_eq!(
        (whole.status, content(&whole).as_str()),
        (200, "worth the wait")
    );
    assert!(load.send(true).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_load_is_an_error_for_everyone_and_the_next_request_tries_again() {
    let (offer, load) = slow("slow");
    let server = serve(vec![offer], Bounds::default()).await;
    let whole = server
        .tasks
        .spawn(Answer::of(server.chat(&json!({"model": "slow"}))));
    let stream = server.chat(&json!({"model": "slow", "stream": true}));
    let response = stream.send().await.unwrap();
    assert_eq!(response.status(), 200, "its headers could not wait");
    server.until_waiting("slow", 2).await;
    load.send(false).unwrap();
    let text = response.text().await.unwrap();
    let events = Parser::default().push(text.as_bytes()).unwrap();
    let error: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("`slow` could not be loaded"), "{message}");
    assert!(!message.contains("secret"), "{message}");
    let whole = whole.await.unwrap();
    assert_eq!(
        whole.failure(),
        failed(503, "service_unavailable", Some("model"))
    );
    load.send(true).unwrap();
    assert_eq!(server.ask("slow").await.status, 200);
}

#[tokio::test]
async fn what_fails_at_once_fails_with_a_status_even_as_a_stream() {
    let server = serve(
        vec![saying("large", "x", None)],
        Bounds {
            memory: Some(59),
            keep_alive: None,
        },
    )
    .await;
    for stream in [false, true] {
        let answer = server
            .answer(json!({"model": "large", "stream": stream}))
            .await;
        assert_eq!(
            answer.failure(),
            failed(503, "service_unavailable", Some("model"))
        );
        assert!(
            answer.text.contains("needs 60 bytes, 59 are available"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_go_while_a_model_loads_leave_the_line() {
    let (offer, load) = slow("slow");
    let offers = vec![offer, saying("b", "I am b", None)];
    let server = serve(offers, ROOM_FOR_ONE).await;
    let stream = server
        .chat(&json!({"model": "slow", "stream": true}))
        .send();
    let behind = server.chat(&json!({"model": "b", "stream": true})).send();
    let (stream, behind) = (stream.await.unwrap(), behind.await.unwrap());
    server.until_waiting("slow", 1).await;
    server.until_waiting("b", 1).await;
    drop((stream, behind));
    server.until_waiting("slow", 0).await;
    server.until_waiting("b", 0).await;
    load.send(true).unwrap();
    server.until_phase("slow", Phase::Ready).await;
    assert_eq!(content(&server.ask("b").await), "I am b");
}

#[tokio::test]
async fn a_model_goes_when_nobody_used_it_for_the_keep_alive_time() {
    let bounds = Bounds {
        memory: None,
        keep_alive: Some(Duration::from_secs(300)),
    };
    let server = serve(vec![saying("a", "x", None)], bounds).await;
    assert_eq!(server.ask("a").await.status, 200);
    server.until_counted("200").await;
    server.clock.advance(Duration::from_secs(299));
    server.all_models.unload_idle();
    assert_eq!(server.phase("a"), Phase::Ready);
    server.clock.advance(Duration::from_secs(1));
    server.all_models.unload_idle();
    server.until_phase("a", Phase::Absent).await;
    assert_eq!(server.ask("a").await.status, 200, "and comes back");
}

#[tokio::test]
async fn embeddings_load_their_model_too() {
    let embedder = offer("counter", Capability::Embedding, || {
        let model = scripted_embedder("counter", None, EmbeddingOptions::default())?.into();
        Ok(Loaded { model, bytes: 60 })
    });
    let offers = vec![embedder, saying("a", "x", None)];
    let server = serve(offers, ROOM_FOR_ONE).await;
    assert_eq!(server.ask("a").await.status, 200);
    let wrong = server.answer(chat_body(&json!({"model": "counter"}))).await;
    assert_eq!(
        wrong.failure(),
        failed(400, "model_not_supported", Some("model"))
    );
    assert_eq!(
        server.phase("counter"),
        Phase::Absent,
        "not loaded to be refused"
    );
    let request = server.request(Method::POST, "/v1/embeddings");
    let request = request.json(&json!({"model": "counter", "input": "abc"}));
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(server.phase("a"), Phase::Absent);
}
