//! Puts the parts together: the only place that constructs concrete things.

mod models;
mod prompt_cache;

pub(crate) use models::{footprint, gather_models, least_bytes, load_language_model};

use crate::config::Settings;
use crate::config::issuers::IssuerChoice;
use crate::config::settings::{ModelChoice, StorePlace};
use crate::faults::ModelFact;
use crate::{models_on_disk, network, root_secret, starter};
use anyhow::{Context as _, Result, anyhow, bail};
use rustygpt_api::listener::tls;
use rustygpt_api::{ApiParts, ApiState, HostPolicy, Networks, Origin, RequestLimits, ServeOptions};
use rustygpt_db::postgres::PostgresStore;
use rustygpt_db::sqlite::SqliteStore;
use rustygpt_model::candle;
use rustygpt_model::contract::ModelError;
use rustygpt_model::prompt::{ChatTemplate, RenderLimits, RenderProcess, Renderer};
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Source};
use rustygpt_orchestrator::access::{KeyDigest, Keyring};
use rustygpt_orchestrator::accounts::{
    Accounts, AccountsParts, Cost, Issuers, Passwords, Store, WireLimits,
};
use rustygpt_orchestrator::models::Models;
use rustygpt_orchestrator::tasks::{
    AuditExport, AuditFiles, Bell, Handlers, Keeper, Recurring, Retention, Worker, WorkerBounds,
    WorkerParts,
};
use rustygpt_utils::clock::SystemClock;
use rustygpt_utils::ids;
use rustygpt_utils::paths;
use rustygpt_utils::tasks::Tasks;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Renders templates in processes of this same program, with bounded time and memory, and without
/// what our environment says: the templates are strangers', and any variable may hold a secret.
pub(crate) fn renderer() -> Result<Renderer> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let arguments = vec!["render-worker".into()];
    // What a program may need to be started at all, and to say which of its lines were reached.
    let is_needed = |name: &str| {
        ["PATH", "SYSTEMROOT", "LLVM_PROFILE_FILE"].contains(&name)
            || name.starts_with("LD_")
            || name.starts_with("DYLD_")
    };
    // A process inherits what is not said otherwise: a value is taken away by an empty one.
    let emptied = std::env::vars_os()
        .filter(|(name, _)| !name.to_str().is_some_and(is_needed))
        .map(|(name, _)| (name, OsString::new()))
        .collect();
    let limits = RenderLimits::default();
    let process = RenderProcess::with_environment(program, arguments, emptied, limits);
    Ok(Renderer::Process(process))
}

/// The tokenizer of an opened model, or of a file that holds a vocabulary only.
pub(crate) fn tokenizer(files: &ModelFiles) -> Result<Tokenizer> {
    let tokenizer = match files.source() {
        Source::Gguf(metadata) => Tokenizer::from_gguf(metadata),
        Source::HuggingFace(directory) => Tokenizer::from_directory(&directory.path),
    };
    tokenizer.with_context(|| files.path().display().to_string())
}

/// The chat template of an opened model, if it has one.
pub(crate) fn template(files: &ModelFiles) -> Result<Option<ChatTemplate>, ModelError> {
    match files.source() {
        Source::Gguf(metadata) => ChatTemplate::from_gguf(metadata),
        Source::HuggingFace(directory) => ChatTemplate::from_directory(&directory.path),
    }
}

/// Sets how many threads compute. Called by `main` while there is only one thread.
pub(crate) fn use_threads(settings: &Settings) -> Result<()> {
    match settings.threads {
        Some(threads) => Ok(candle::use_threads(threads)?),
        None => Ok(()),
    }
}

/// Opens the store, which is made if there is none.
///
/// # Errors
/// A folder that cannot be written, a store that a newer program wrote.
pub(crate) async fn open_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    let revealed;
    let place = match &settings.store {
        StorePlace::At(reference, home) => {
            // The URL itself may hold a password.
            let place = StorePlace::read(&reference.reveal()?, home);
            revealed = place.with_context(|| {
                format!("database_url: {reference} holds neither sqlite:PATH nor postgres://…")
            })?;
            &revealed
        }
        place => place,
    };
    let path = match place {
        StorePlace::File(path) => path,
        StorePlace::Database(url) => {
            let store = PostgresStore::open(url).await;
            return Ok(Arc::new(
                store.context("cannot open the database of database_url")?,
            ));
        }
        // `read` makes none of these.
        StorePlace::At(reference, _) => bail!("database_url: {reference} leads to another place"),
    };
    if let Some(folder) = path.parent() {
        paths::create_private_folder(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let store = SqliteStore::open(path).await;
    let store = store.with_context(|| format!("cannot open the store {}", path.display()))?;
    Ok(Arc::new(store))
}

/// The use-cases of accounts over an open store. Streams end with `ending`; `issuers` are the
/// server's alone; `bell` wakes the worker of this process, if there is one.
///
/// # Errors
/// A root secret that cannot be read or made.
pub(crate) fn accounts(
    settings: &Settings,
    store: Arc<dyn Store>,
    issuers: Issuers,
    tasks: &Tasks,
    ending: CancellationToken,
    bell: Bell,
) -> Result<Arc<Accounts>> {
    Ok(Arc::new(Accounts::new(AccountsParts {
        store,
        clock: Arc::new(SystemClock),
        passwords: Passwords::new(Cost::OWASP, tasks.clone())?,
        secrets: root_secret::read_or_create(&settings.root_secret_file())?,
        issuers,
        settings: settings.runtime.clone(),
        bell,
        audit_files: audit_files(settings, tasks),
        tasks: tasks.clone(),
        ending,
    })))
}

/// The issuers of the settings; none of them can be reached offline.
fn issuers(settings: &Settings) -> Result<Issuers> {
    if settings.issuers.is_empty() || settings.offline {
        return Ok(Issuers::default());
    }
    let url = settings.public_url.as_ref();
    let url = url.context("issuer: people must come back, so public_url must be set")?;
    let choices = settings.issuers.iter().map(IssuerChoice::settings);
    let choices = choices.collect::<Result<_>>()?;
    network::use_ring();
    Issuers::new(url, choices, WireLimits::default())
        .map_err(|(id, error)| anyhow!("the issuer '{id}': {error}"))
}

fn audit_files(settings: &Settings, tasks: &Tasks) -> AuditFiles {
    AuditFiles::new(settings.audit_folder(), tasks.clone())
}

/// What runs tasks beside the server: every kind of work, and what comes by schedule.
///
/// # Errors
/// A schedule that is none, which a test would have found.
fn worker(
    settings: &Settings,
    store: &Arc<dyn Store>,
    tasks: &Tasks,
    bell: Bell,
) -> Result<Worker> {
    let keeper = Arc::new(Keeper {
        store: Arc::clone(store),
        clock: Arc::new(SystemClock),
        settings: settings.runtime.clone(),
        files: audit_files(settings, tasks),
    });
    Ok(Worker::new(WorkerParts {
        queue: Arc::clone(store) as _,
        schedules: Arc::clone(store) as _,
        clock: Arc::new(SystemClock),
        group: tasks.clone(),
        bell,
        handlers: Handlers::new()
            .with::<Retention>(Arc::clone(&keeper))
            .with::<AuditExport>(keeper),
        // Days are those of UTC here, as in quotas and usage.
        recurring: vec![Recurring::new(
            "retention",
            "17 3 * * *",
            "UTC",
            &Retention {},
        )?],
        name: format!("process {}", std::process::id()),
        bounds: WorkerBounds::default(),
    }))
}

/// What `serve` runs: the router and how to serve it.
pub(crate) struct Server {
    pub(crate) router: axum::Router,
    pub(crate) options: ServeOptions,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) worker: Worker,
}

/// Puts the HTTP server together.
///
/// # Errors
/// Settings that name no host, origin, network or usable certificate.
pub(crate) fn server(
    settings: &Settings,
    bound: SocketAddr,
    key: &str,
    models: Arc<Models>,
    store: Arc<dyn Store>,
    tasks: &Tasks,
) -> Result<Server> {
    let origins = settings.cors_origins.iter().map(|text| Origin::parse(text));
    let public_url = settings.public_url.as_ref().map(url::Url::as_str);
    let proxies = settings.trusted_proxies.iter().map(String::as_str);
    let options = ServeOptions {
        drain_time: settings.drain_timeout,
        tls: settings
            .tls
            .as_ref()
            .map(|(chain, key)| tls_configuration(chain, key))
            .transpose()?,
        ..ServeOptions::default()
    };
    let (ending, bell) = (options.ending.clone(), Bell::default());
    let worker = worker(settings, &store, tasks, bell.clone())?;
    let accounts = accounts(settings, store, issuers(settings)?, tasks, ending, bell)?;
    let parts = ApiParts {
        models,
        accounts: Some(Arc::clone(&accounts)),
        work: Some(worker.statistics()),
        keyring: Keyring::new([KeyDigest::of(key)]),
        keyless: settings.is_loopback_open,
        hosts: HostPolicy::new(bound, &settings.allowed_hosts, public_url)?,
        cors_origins: origins.collect::<Result<_, _>>()?,
        trusted_proxies: Networks::parse(proxies)?,
        limits: RequestLimits::default(),
        clock: Arc::new(SystemClock),
        new_id: Arc::new(ids::completion_id),
        tasks: tasks.clone(),
        ending: options.ending.clone(),
    };
    Ok(Server {
        router: rustygpt_api::router(ApiState::new(parts)),
        options,
        accounts,
        worker,
    })
}

fn tls_configuration(chain: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let configuration = tls::configuration(&read(chain)?, &read(key)?);
    configuration.with_context(|| format!("{} and {}", chain.display(), key.display()))
}

/// A model of the settings, whose path may also be the id of one on this disk.
fn resolved(settings: &Settings, choice: &ModelChoice) -> Result<ModelChoice> {
    let found = choose_model(settings, &choice.path.to_string_lossy())?;
    Ok(ModelChoice {
        path: found.path,
        id: choice.id.clone().or(found.id),
    })
}

/// The model that a person named: a path, or the id of one that is on this disk.
///
/// # Errors
/// A path where nothing is, an id that nothing has.
pub(crate) fn choose_model(settings: &Settings, name: &str) -> Result<ModelChoice> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(ModelChoice {
            path: path.to_owned(),
            id: None,
        });
    }
    let found = models_on_disk::everywhere(settings);
    if let Some(model) = found.iter().find(|model| model.id == name) {
        return Ok(ModelChoice {
            path: model.path.clone(),
            id: Some(model.id.clone()),
        });
    }
    if name == starter::ID
        && let Some(choice) = starter::find(settings)
    {
        return Ok(choice);
    }
    let looks_like_a_path = name.ends_with(".gguf") || name.starts_with(['.', '/', '~']);
    if looks_like_a_path {
        bail!("{name}: no such file or folder");
    }
    if found.is_empty() {
        bail!(
            "there is no model '{name}' on this computer, nor any other; see: rustygpt pull --help"
        );
    }
    let ids: Vec<&str> = found.iter().map(|model| model.id.as_str()).collect();
    bail!(
        "there is no model '{name}' on this computer; there are: {}",
        ids.join(", ")
    )
}

/// The models that `serve` would load, opened to see whether they are whole.
pub(crate) fn model_facts(settings: &Settings) -> Vec<ModelFact> {
    let in_folder = || models_on_disk::in_folder(&settings.models_dir);
    let choices = if settings.models.is_empty() {
        in_folder()
    } else {
        settings.models.clone()
    };
    let fact = |choice: ModelChoice| {
        // What is neither a path nor an id fails to open, and that is the fact.
        let choice = resolved(settings, &choice).unwrap_or(choice);
        let opened = ModelFiles::open(&choice.path);
        let footprint = |files| footprint(settings, files).ok();
        let footprint = opened.as_ref().ok().and_then(footprint);
        ModelFact {
            weight_bytes: footprint.map_or(0, |footprint| footprint.weight_bytes),
            error: opened.err().map(|error| error.to_string()),
            path: choice.path,
        }
    };
    choices.into_iter().map(fact).collect()
}
