//! What the server itself costs, over loopback, with a model that costs nothing: per request and
//! per streamed token, beside what the engine alone takes for the same.
//!
//! `cargo bench -p rustygpt-api --bench gateway`

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot start has nothing to say"
)]

use divan::Bencher;
use divan::counter::ItemsCount;
use futures::StreamExt;
use rustygpt_api::{
    ApiParts, ApiState, HostPolicy, Networks, RequestLimits, ServeOptions, router, serve,
};
use rustygpt_model::contract::{
    CacheSalt, ContentPart, GenerateRequest, Input, Limits, Message, Priority, Role, Sampling,
};
use rustygpt_model::engine::LoadedModel;
use rustygpt_model::scripted::{Script, scripted_model};
use rustygpt_orchestrator::access::{KeyDigest, Keyring};
use rustygpt_orchestrator::models::Models;
use rustygpt_utils::clock::SystemClock;
use rustygpt_utils::ids;
use rustygpt_utils::tasks::Tasks;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Tokens of a long answer; the scripted model's are bytes.
const TOKENS: usize = 1000;
const KEY: &str = "bench";

fn main() {
    divan::main();
}

/// A server on a port of its own.
struct Gateway {
    runtime: Runtime,
    model: LoadedModel,
    address: SocketAddr,
}

impl Gateway {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let script = Script::answering("x".repeat(TOKENS)).without_cache_check();
        let model = scripted_model("parrot", script).expect("an engine");
        let address = runtime.block_on(serve_in_background(model.clone()));
        Self {
            runtime,
            model,
            address,
        }
    }
}

async fn serve_in_background(model: LoadedModel) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut models = Models::new();
    models.insert(model, 0).expect("a free name");
    let tasks = Tasks::new();
    let options = ServeOptions::default();
    let state = ApiState::new(ApiParts {
        models: Arc::new(models),
        keyring: Keyring::new([KeyDigest::of(KEY)]),
        accounts: None,
        work: None,
        keyless: false,
        hosts: HostPolicy::new(address, &[], None).expect("a host"),
        cors_origins: Vec::new(),
        trusted_proxies: Networks::default(),
        limits: RequestLimits::default(),
        clock: Arc::new(SystemClock),
        new_id: Arc::new(ids::completion_id),
        tasks: tasks.clone(),
        ending: options.ending.clone(),
    });
    tasks.spawn(serve(listener, router(state), options, tasks.clone()));
    address
}

/// A kept-alive connection and the request it repeats.
struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    end: &'static [u8],
}

impl Client {
    /// `end` is what an answer ends with.
    fn new(address: SocketAddr, path: &str, body: &str, end: &'static [u8]) -> Self {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("an option");
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            socket,
            request: request.into_bytes(),
            end,
        }
    }

    fn exchange(&mut self) -> usize {
        self.socket.write_all(&self.request).expect("a request");
        let mut answer = Vec::with_capacity(64 << 10);
        let mut piece = [0; 64 << 10];
        while !answer.ends_with(self.end) {
            let count = self.socket.read(&mut piece).expect("an answer");
            assert!(count > 0, "the server hung up");
            answer.extend_from_slice(&piece[..count]);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        answer.len()
    }
}

fn chat(fields: &str) -> String {
    format!(r#"{{"model":"parrot","messages":[{{"role":"user","content":"Hello?"}}]{fields}}}"#)
}

/// A request through all middleware that asks nothing of an engine.
#[divan::bench]
fn smallest_request(bencher: Bencher) {
    let gateway = Gateway::start();
    let end = b"}";
    let mut client = Client::new(gateway.address, "/v1/models/parrot", "", end);
    bencher.bench_local(|| client.exchange());
}

/// A whole answer of one token.
#[divan::bench]
fn whole_answer_of_one_token(bencher: Bencher) {
    let gateway = Gateway::start();
    let body = chat(r#","max_tokens":1"#);
    let end = b"\"service_tier\":\"default\"}";
    let mut client = Client::new(gateway.address, "/v1/chat/completions", &body, end);
    bencher.bench_local(|| client.exchange());
}

/// A streamed answer of many tokens.
#[divan::bench]
fn streamed_answer(bencher: Bencher) {
    let gateway = Gateway::start();
    let body = chat(r#","stream":true"#);
    let end = b"0\r\n\r\n";
    let mut client = Client::new(gateway.address, "/v1/chat/completions", &body, end);
    bencher
        .counter(ItemsCount::new(TOKENS))
        .bench_local(|| client.exchange());
}

/// The same request given to the engine without a server.
#[divan::bench(args = [1, TOKENS])]
fn engine_alone(bencher: Bencher, tokens: usize) {
    let gateway = Gateway::start();
    bencher.counter(ItemsCount::new(tokens)).bench_local(|| {
        gateway.runtime.block_on(async {
            let generation = gateway.model.admit(request(tokens)).await.expect("a place");
            generation.count().await
        })
    });
}

fn request(tokens: usize) -> GenerateRequest {
    let message = Message {
        role: Role::User,
        content: vec![ContentPart::Text("Hello?".to_owned())],
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    };
    GenerateRequest {
        input: Input::Chat {
            messages: vec![message],
            tools: Vec::new(),
            tool_choice: Default::default(),
            allows_parallel_calls: true,
            template: Default::default(),
        },
        grammar: None,
        sampling: Sampling::default(),
        limits: Limits {
            max_tokens: u32::try_from(tokens).ok(),
            ..Limits::default()
        },
        choices: 1,
        logprobs: None,
        prediction: None,
        priority: Priority::default(),
        deadline: None,
        cache_salt: CacheSalt::default(),
    }
}
