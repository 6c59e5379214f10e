//! PostgreSQL is restarted while people work.
//!
//! Seen to fail with class 57 of SQLSTATE taken for a mistake of ours in `rustygpt-db/src/faults.rs`:
//! those who were cut off were answered 500.

use super::accounts::credentials;
use super::home::Home;
use super::server::{Answer, Server, Setup, chat_body};
use futures::StreamExt;
use reqwest::{Method, RequestBuilder};
use rustygpt_db::testing::Cluster;
use rustygpt_model::scripted::{Gate, Script, scripted_model};
use rustygpt_orchestrator::access::Role;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How soon everything works once the database is back.
const RECOVERY: Duration = Duration::from_secs(5);
/// The longest that anybody waits for an answer, whatever it is: what a request waits for a
/// connection, with room for a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a request.
#[derive(Clone, Debug)]
struct Seen {
    begun: Instant,
    took: Duration,
    status: u16,
    says_when_to_come_back: bool,
}

/// One who asks the same again and again.
struct Asker {
    what: &'static str,
    /// The status that means that all is well.
    good: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    running: JoinHandle<()>,
}

impl Asker {
    fn count(&self, wanted: impl Fn(&Seen) -> bool) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| wanted(seen)).count()
    }
}

/// All of them, and news of their answers.
struct Traffic {
    askers: Vec<Asker>,
    news: Arc<Notify>,
    ending: CancellationToken,
}

impl Traffic {
    fn add(
        &mut self,
        server: &Server,
        what: &'static str,
        good: u16,
        ask: impl Fn(u64) -> RequestBuilder + Send + 'static,
    ) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answers, news, ending) = (
            Arc::clone(&seen),
            Arc::clone(&self.news),
            self.ending.clone(),
        );
        let running = server.tasks.spawn(async move {
            for number in 0.. {
                if ending.is_cancelled() {
                    return;
                }
                let begun = Instant::now();
                let answer = Answer::of(ask(number)).await;
                answers.lock().unwrap().push(Seen {
                    begun,
                    took: begun.elapsed(),
                    status: answer.status,
                    says_when_to_come_back: answer.header("retry-after").is_some(),
                });
                news.notify_waiters();
            }
        });
        self.askers.push(Asker {
            what,
            good,
            seen,
            running,
        });
    }

    /// Waits until of each asker `times` answers were as `wanted` says.
    async fn until(&self, times: usize, wanted: impl Fn(&Asker, &Seen) -> bool) {
        let waiting = async {
            loop {
                let next = self.news.notified();
                let is_reached = |asker: &Asker| asker.count(|seen| wanted(asker, seen)) >= times;
                if self.askers.iter().all(is_reached) {
                    return;
                }
                next.await;
            }
        };
        if tokio::time::timeout(2 * PATIENCE, waiting).await.is_err() {
            let last = |asker: &Asker| (asker.what, asker.seen.lock().unwrap().last().cloned());
            let last: Vec<_> = self.askers.iter().map(last).collect();
            panic!("somebody's answers stay away: {last:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_of_postgres_is_a_pause_and_nothing_more() {
    let Some(cluster) = Cluster::start_private().map(Arc::new) else {
        return;
    };
    let gate = Gate::closed();
    let mut setup = Setup::new(Script::answering("a long story ".repeat(20)).behind(&gate));
    setup
        .models
        .push(scripted_model("quick", Script::answering("yes")).unwrap());
    setup.accounts = true;
    setup.home = Home::Postgres(cluster.database(false).await);
    let server = setup.start().await;
    let people = server.people.as_ref().unwrap();
    server.tasks.spawn(Arc::clone(&people.accounts).watch());
    let ada = server.resident("ada@example.org", Role::Admin).await;
    let wish = json!({"quota": {"tokens": 1_000_000, "period": "day"}});
    let request = server.by(&ada.token, Method::POST, "/api/account/keys");
    let key = Answer::of(request.json(&wish)).await.json();
    let key = key["secret"].as_str().unwrap().to_owned();

    // One answer is being written.
    gate.open(3);
    let story = server.by(&ada.token, Method::POST, "/v1/chat/completions");
    let story = story.json(&chat_body(&json!({"stream": true})));
    let mut story = story.send().await.unwrap();
    assert_eq!(story.status(), 200);
    assert!(story.chunk().await.unwrap().is_some());

    let mut traffic = Traffic {
        askers: Vec::new(),
        news: Arc::default(),
        ending: CancellationToken::new(),
    };
    let ask = |bearer: &str, method: Method, path: &str| {
        let (client, url) = (server.client.clone(), server.url(path));
        let bearer = bearer.to_owned();
        move || client.request(method.clone(), &url).bearer_auth(&bearer)
    };
    let read = ask(&ada.token, Method::GET, "/api/account/usage");
    traffic.add(&server, "reads", 200, move |_| read());
    let write = ask(&ada.token, Method::PUT, "/api/account");
    traffic.add(&server, "writes", 200, move |number| {
        write().json(&json!({"name": number.to_string()}))
    });
    let (client, url) = (server.client.clone(), server.url("/v1/models"));
    traffic.add(&server, "unknown keys", 401, move |number| {
        client
            .get(&url)
            .bearer_auth(format!("sk-rustygpt-{number}"))
    });
    let chat = ask(&key, Method::POST, "/v1/chat/completions");
    let body = chat_body(&json!({"model": "quick"}));
    traffic.add(&server, "chats on a quota", 200, move |_| {
        chat().json(&body)
    });
    traffic
        .until(5, |asker, seen| seen.status == asker.good)
        .await;

    let stopping = Arc::clone(&cluster);
    let stopped = server.tasks.spawn_blocking(move || stopping.stop());
    stopped.await.unwrap();
    traffic.until(2, |_, seen| seen.status == 503).await;
    let sign_in = server.post("/api/auth/sign-in", credentials("ada@example.org"));
    let refused = sign_in.await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.header("retry-after").is_some());
    // The answer comes to its end though nothing is kept meanwhile.
    gate.open_for_good();
    let mut end = String::new();
    let mut pieces = story.bytes_stream();
    while let Some(piece) = pieces.next().await {
        end.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    assert!(end.ends_with("data: [DONE]\n\n"), "{end}");

    let starting = Arc::clone(&cluster);
    let started = server.tasks.spawn_blocking(move || starting.start());
    started.await.unwrap();
    let back = Instant::now();
    traffic
        .until(5, |asker, seen| {
            seen.begun > back && seen.status == asker.good
        })
        .await;
    let recovery = back.elapsed();
    assert!(recovery <= RECOVERY, "recovered after {recovery:?}");
    traffic.ending.cancel();
    let mut last_written = None;
    for Asker {
        what,
        good,
        seen,
        running,
    } in traffic.askers
    {
        running.await.unwrap();
        let seen = seen.lock().unwrap();
        for seen in seen.iter() {
            let is_pause = seen.status == 503 && seen.says_when_to_come_back;
            assert!(seen.status == good || is_pause, "{what}: {seen:?}");
            assert!(seen.took < PATIENCE, "{what}: {seen:?}");
        }
        assert_eq!(seen.last().map(|seen| seen.status), Some(good), "{what}");
        if what == "writes" {
            last_written = seen.iter().rposition(|seen| seen.status == good);
        }
    }
    // What was acknowledged is there, and the log is whole.
    let own = Answer::of(server.by(&ada.token, Method::GET, "/api/account")).await;
    let name = own.json()["name"].as_str().unwrap().to_owned();
    assert_eq!(name, last_written.unwrap().to_string());
    let verified = rustygpt_db::audit_chain::verify(&*people.store, None).await;
    assert_eq!(verified.unwrap().fault, None);
    server.sign_in("ada@example.org").await;
}
