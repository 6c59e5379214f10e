//! A server of a test: its own port, its own models, a clock that stands.

use super::home::Home;
use reqwest::{Client, Method, RequestBuilder};
use rustygpt_api::state::NewId;
use rustygpt_api::{
    ApiParts, ApiState, HostPolicy, Networks, Origin, RequestLimits, ServeOptions, router, serve,
};
use rustygpt_model::engine::{EmbeddingModel, LoadedModel};
use rustygpt_model::scripted::{Script, scripted_model};
use rustygpt_orchestrator::access::{KeyDigest, Keyring};
use rustygpt_orchestrator::accounts::{
    Accounts, AccountsParts, Cost, IssuerSettings, Issuers, Passwords, RootSecrets, Store,
    WireLimits,
};
use rustygpt_orchestrator::models::{Bounds, Models, Offer};
use rustygpt_orchestrator::settings::Layers;
use rustygpt_orchestrator::tasks::{
    AuditExport, AuditFiles, Bell, Handlers, Keeper, Statistics, Worker, WorkerBounds, WorkerParts,
};
use rustygpt_utils::clock::ManualClock;
use rustygpt_utils::tasks::Tasks;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The key that opens every test's server.
pub(crate) const KEY: &str = "sk-rustygpt-test";

/// When every test begins, since 1970.
pub(crate) const NOW: Duration = Duration::from_secs(1_700_000_123);

/// What a test changes of the usual server.
pub(crate) struct Setup {
    pub(crate) models: Vec<LoadedModel>,
    pub(crate) embedders: Vec<EmbeddingModel>,
    /// Models that are loaded when they are asked for.
    pub(crate) offers: Vec<Offer>,
    pub(crate) bounds: Bounds,
    pub(crate) aliases: Vec<(&'static str, &'static str)>,
    pub(crate) accounts: bool,
    /// Where they are kept.
    pub(crate) home: Home,
    /// Who vouches for people; needs a public address.
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) wire: WireLimits,
    /// What was said of the settings outside the store.
    pub(crate) settings: Layers,
    pub(crate) keyless: bool,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) public_url: Option<&'static str>,
    pub(crate) cors_origins: Vec<Origin>,
    pub(crate) trusted_proxies: Networks,
    pub(crate) limits: RequestLimits,
    pub(crate) options: ServeOptions,
    /// Makes ids; otherwise they are counted.
    pub(crate) new_id: Option<NewId>,
}

impl Setup {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            models: vec![scripted_model("parrot", script).unwrap()],
            embedders: Vec::new(),
            offers: Vec::new(),
            bounds: Bounds::default(),
            aliases: vec![("gpt-4o", "parrot")],
            accounts: false,
            home: Home::Sqlite,
            issuers: Vec::new(),
            wire: WireLimits::default(),
            settings: Layers::default(),
            keyless: false,
            allowed_hosts: Vec::new(),
            public_url: None,
            cors_origins: Vec::new(),
            trusted_proxies: Networks::default(),
            limits: RequestLimits::default(),
            options: ServeOptions::default(),
            new_id: None,
        }
    }

    pub(crate) async fn start(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let clock = Arc::new(ManualClock::at(NOW));
        let mut models = Models::within(self.bounds, Arc::clone(&clock) as _, tasks.clone());
        for model in &self.models {
            models.insert(model.clone(), 1_700_000_000).unwrap();
        }
        for model in self.embedders {
            models.insert(model, 1_700_000_000).unwrap();
        }
        for offer in self.offers {
            models.offer(offer).unwrap();
        }
        for (alias, id) in self.aliases {
            models.alias(alias, id).unwrap();
        }
        let all_models = Arc::new(models);
        let ending = self.options.ending.clone();
        let client = client();
        let issuers = match self.public_url {
            Some(url) => Issuers::new(&url.parse().unwrap(), self.issuers, self.wire).unwrap(),
            None => Issuers::default(),
        };
        let people = match self.accounts {
            true => {
                let (clock, settings) = (Arc::clone(&clock), self.settings);
                Some(People::open(&self.home, clock, issuers, settings, &tasks, ending).await)
            }
            false => None,
        };
        let count = AtomicU64::new(0);
        let counted: NewId = Arc::new(move |prefix| {
            Ok(format!("{prefix}{}", count.fetch_add(1, Ordering::Relaxed)))
        });
        let state = ApiState::new(ApiParts {
            models: Arc::clone(&all_models),
            keyring: Keyring::new([KeyDigest::of(KEY)]),
            work: people.as_ref().map(|people| Arc::clone(&people.work)),
            accounts: people.as_ref().map(|people| Arc::clone(&people.accounts)),
            keyless: self.keyless,
            hosts: HostPolicy::new(address, &self.allowed_hosts, self.public_url).unwrap(),
            cors_origins: self.cors_origins,
            trusted_proxies: self.trusted_proxies,
            limits: self.limits,
            clock: Arc::clone(&clock) as _,
            new_id: self.new_id.unwrap_or(counted),
            tasks: tasks.clone(),
            ending: self.options.ending.clone(),
        });
        let serving = tasks.spawn(serve(listener, router(state), self.options, tasks.clone()));
        Server {
            address,
            tasks,
            serving,
            models: self.models,
            all_models,
            clock,
            client,
            people,
        }
    }
}

/// A client that knows no proxy.
pub(crate) fn client() -> Client {
    // Another test may have been first; all choose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) tasks: Tasks,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    pub(crate) models: Vec<LoadedModel>,
    pub(crate) all_models: Arc<Models>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: Client,
    pub(crate) people: Option<People>,
}

/// The accounts of a server, in a store of its own.
pub(crate) struct People {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<dyn Store>,
    work: Arc<Statistics>,
    _folder: Option<tempfile::TempDir>,
    _audit: tempfile::TempDir,
}

impl People {
    async fn open(
        home: &Home,
        clock: Arc<ManualClock>,
        issuers: Issuers,
        settings: Layers,
        tasks: &Tasks,
        ending: CancellationToken,
    ) -> Self {
        // Real parameters would make every test wait for what no test looks at.
        let cheap = Cost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        };
        let (store, folder) = home.open().await;
        let audit = tempfile::tempdir().unwrap();
        let bell = Bell::default();
        let files = AuditFiles::new(audit.path().join("audit"), tasks.clone());
        let accounts = Arc::new(Accounts::new(AccountsParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as _,
            passwords: Passwords::new(cheap, tasks.clone()).unwrap(),
            secrets: RootSecrets::generate().unwrap(),
            issuers,
            settings: settings.clone(),
            bell: bell.clone(),
            audit_files: files.clone(),
            tasks: tasks.clone(),
            ending,
        }));
        accounts.look_out().await.unwrap();
        let keeper = Arc::new(Keeper {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as _,
            settings,
            files,
        });
        let worker = Worker::new(WorkerParts {
            queue: Arc::clone(&store) as _,
            schedules: Arc::clone(&store) as _,
            clock,
            group: tasks.clone(),
            bell,
            handlers: Handlers::new().with::<AuditExport>(keeper),
            recurring: Vec::new(),
            name: "test".to_owned(),
            bounds: WorkerBounds::default(),
        });
        let work = worker.statistics();
        tasks.spawn(worker.run());
        Self {
            accounts,
            store,
            work,
            _folder: folder,
            _audit: audit,
        }
    }
}

impl Server {
    /// The usual server, whose model says `text`.
    pub(crate) async fn saying(text: &str) -> Self {
        Setup::new(Script::answering(text)).start().await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(KEY)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// A chat request with these fields added to `{"model": "parrot", "messages": […]}`.
    pub(crate) fn chat(&self, fields: &Value) -> RequestBuilder {
        self.request(Method::POST, "/v1/chat/completions")
            .json(&chat_body(fields))
    }

    pub(crate) async fn answer(&self, fields: Value) -> Answer {
        Answer::of(self.chat(&fields)).await
    }

    /// Waits until the engine is as `wanted`; the outer test runner bounds it.
    pub(crate) async fn until(&self, wanted: impl Fn(usize, usize) -> bool) {
        loop {
            let status = self.models[0].status();
            if wanted(status.running, status.waiting) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Server {
    /// Waits until a chat request that ended with this status was counted: its handler and the
    /// engine's stream are gone then.
    pub(crate) async fn until_counted(&self, status: &str) {
        let labels = "route=\"/v1/chat/completions\",method=\"POST\"";
        let line = format!("rustygpt_requests_total{{{labels},status=\"{status}\"}}");
        while !self.get("/metrics").await.text.contains(&line) {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

pub(crate) fn chat_body(fields: &Value) -> Value {
    let mut body = json!({
        "model": "parrot",
        "messages": [{"role": "user", "content": "Hello?"}],
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The four keys of a failed answer: status, code, param.
    #[track_caller]
    pub(crate) fn failure(&self) -> (u16, String, Option<String>) {
        failure(self.status, &self.text)
    }
}

/// Checks the envelope of a failed answer.
#[track_caller]
pub(crate) fn failure(status: u16, text: &str) -> (u16, String, Option<String>) {
    let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text:?}"));
    let outer: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(outer, ["error"], "{text}");
    let error = body["error"].as_object().unwrap();
    let mut keys: Vec<&str> = error.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["code", "message", "param", "type"], "{text}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{text}"
    );
    assert!(error["type"].is_string(), "{text}");
    let param = error["param"].as_str().map(str::to_owned);
    assert!(param.is_some() || error["param"].is_null(), "{text}");
    (status, error["code"].as_str().unwrap().to_owned(), param)
}

/// A failure to compare with [`Answer::failure`].
pub(crate) fn failed(
    status: u16,
    code: &str,
    param: Option<&str>,
) -> (u16, String, Option<String>) {
    (status, code.to_owned(), param.map(str::to_owned))
}
