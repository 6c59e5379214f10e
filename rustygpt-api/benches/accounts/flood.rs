//! Two hundred people sign in at the same moment, twice, while one asks for the models all along.

use super::town::{EMAIL, PASSWORD, Town, quantile};
use futures::future::join_all;
use reqwest::Client;
use rustygpt_api::{
    ApiParts, ApiState, HostPolicy, Networks, RequestLimits, ServeOptions, router, serve,
};
use rustygpt_model::scripted::{Script, scripted_model};
use rustygpt_orchestrator::access::Keyring;
use rustygpt_orchestrator::models::Models;
use rustygpt_utils::clock::SystemClock;
use rustygpt_utils::ids;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

async fn start(town: &Town) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut models = Models::new();
    let model = scripted_model("parrot", Script::answering("x")).expect("an engine");
    models.insert(model, 0).expect("a free name");
    let options = ServeOptions::default();
    let state = ApiState::new(ApiParts {
        models: Arc::new(models),
        keyring: Keyring::new([]),
        accounts: Some(Arc::clone(&town.accounts)),
        work: None,
        keyless: false,
        hosts: HostPolicy::new(address, &[], None).expect("a host"),
        cors_origins: Vec::new(),
        trusted_proxies: Networks::default(),
        limits: RequestLimits::default(),
        clock: Arc::new(SystemClock),
        new_id: Arc::new(ids::completion_id),
        tasks: town.tasks.clone(),
        ending: town.ending.clone(),
    });
    let serving = serve(listener, router(state), options, town.tasks.clone());
    town.tasks.spawn(serving);
    address
}

fn client() -> Client {
    // Whoever was first, all choose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("a client")
}

/// Bytes of memory that this process takes, with its clients; 0 where nothing tells.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.map_or(0.0, |kib: f64| kib * 1024.0)
}

/// One who asks for the models until told to stop: seconds per answer, and the most memory seen.
async fn bystander(
    client: Client,
    url: String,
    key: String,
    stop: Arc<AtomicBool>,
) -> (Vec<f64>, f64) {
    let (mut seconds, mut most) = (Vec::new(), 0.0_f64);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let answer = client
            .get(&url)
            .bearer_auth(&key)
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.expect("a body");
        seconds.push(begun.elapsed().as_secs_f64());
        most = most.max(resident_bytes());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (seconds, most)
}

/// What a bystander sees while `work` goes on, and what the work gave.
async fn beside<T>(
    town: &Town,
    address: SocketAddr,
    work: impl Future<Output = T>,
) -> (T, Vec<f64>, f64) {
    let stop = Arc::new(AtomicBool::new(false));
    let url = format!("http://{address}/v1/models");
    let watching = bystander(client(), url, town.key.clone(), Arc::clone(&stop));
    let watching = town.tasks.spawn(watching);
    let done = work.await;
    stop.store(true, Ordering::Relaxed);
    let (seconds, most) = watching.await.expect("no panic");
    (done, seconds, most)
}

/// Everybody's seconds and how many were let in.
async fn flood(client: &Client, address: SocketAddr, people: usize) -> (Vec<f64>, usize) {
    let url = format!("http://{address}/api/auth/sign-in");
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let sign_in = || async {
        let begun = Instant::now();
        let answer = client
            .post(&url)
            .json(&body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        answer.bytes().await.expect("a body");
        (begun.elapsed().as_secs_f64(), status)
    };
    let answers = join_all((0..people).map(|_| sign_in())).await;
    let let_in = answers.iter().filter(|(_, status)| *status == 200).count();
    (
        answers.into_iter().map(|(seconds, _)| seconds).collect(),
        let_in,
    )
}

/// What was found.
pub(crate) async fn measure(town: &Town, is_quick: bool) -> Value {
    let (people, quiet) = if is_quick { (8, 100) } else { (200, 5_000) };
    let address = start(town).await;
    let client = client();
    flood(&client, address, 1).await;
    let rest = tokio::time::sleep(Duration::from_millis(quiet));
    let ((), mut before, memory_before) = beside(town, address, rest).await;
    let (first, mut during, memory_first) =
        beside(town, address, flood(&client, address, people)).await;
    let (second, _, memory_second) = beside(town, address, flood(&client, address, people)).await;
    let (mut seconds, let_in) = first;
    let slowest = quantile(&mut seconds, 1.0);
    json!({
        "sign_ins": people,
        "let_in": let_in,
        "let_in_by_the_second_flood": second.1,
        "sign_ins_per_second": people as f64 / slowest,
        "sign_in_p50_seconds": quantile(&mut seconds, 0.5),
        "sign_in_p99_seconds": quantile(&mut seconds, 0.99),
        "others_p50_seconds_before": quantile(&mut before, 0.5),
        "others_p99_seconds_before": quantile(&mut before, 0.99),
        "others_p50_seconds": quantile(&mut during, 0.5),
        "others_p99_seconds": quantile(&mut during, 0.99),
        "memory_grows_by_bytes": memory_first - memory_before,
        "memory_grows_by_bytes_in_a_second_flood": memory_second - memory_first.max(memory_before),
    })
}
