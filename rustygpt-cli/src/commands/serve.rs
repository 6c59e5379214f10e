//! `rustygpt serve`: the server, from its checks before it starts to its bounded end.

use crate::arguments::{Client, ServeArguments};
use crate::commands::env::{address_url, snippet};
use crate::config::Settings;
use crate::server_record::ServerRecord;
use crate::{api_key, compose, output, starter};
use anyhow::{Context as _, Result, bail};
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::access::Caller;
use rustygpt_orchestrator::accounts::Accounts;
use rustygpt_orchestrator::models::{Capability, Models};
use rustygpt_utils::tasks::Tasks;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use url::Url;

/// How long the engines may take to end, after the last connection. Together with the listener's
/// times this keeps a stop below 35 s.
const ENGINES_END: Duration = Duration::from_secs(4);
/// How long tasks may take to end or to be given back, after the engines.
const WORK_ENDS: Duration = Duration::from_secs(4);
/// How long what is still to be kept (the usage of the last requests) may take.
const LAST_TASKS: Duration = Duration::from_secs(1);

pub(crate) async fn run(settings: Settings, arguments: &ServeArguments) -> Result<ExitCode> {
    refuse_public_without_key(&settings)?;
    let key = match &settings.api_key {
        Some(key) => {
            let key = key.reveal()?;
            if !key.chars().all(|c| c.is_ascii_graphic()) {
                bail!("the key (--api-key) holds characters that no HTTP header can carry");
            }
            key
        }
        None => api_key::read_or_create(&settings.key_file())?,
    };
    let record = ServerRecord::claim(&settings.data_dir)?;
    // Before the models are loaded: a port in use should not cost a minute of waiting.
    let listener = listen(&settings).await?;
    let bound = listener.local_addr()?;
    // More connections than the soft limit of most systems allows.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    // Before the models too: a store that cannot be opened should not cost a minute either.
    let store = compose::open_store(&settings).await?;
    let mut stop = StopSignal::new()?;
    let tasks = Tasks::new();
    let models = tokio::select! {
        models = load_models(&settings, &tasks) => Arc::new(models?),
        () = stop.wait() => return Ok(ExitCode::SUCCESS),
    };
    if models.overview().next().is_none() {
        tracing::warn!(
            folder = %settings.models_dir.display(),
            "there is no model: every chat request is answered with an error. \
             Get one: rustygpt pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M"
        );
    }
    tasks.spawn(models.tend());
    let server = compose::server(
        &settings,
        bound,
        &key,
        Arc::clone(&models),
        Arc::clone(&store),
        &tasks,
    )?;
    server.accounts.look_out().await?;
    tasks.spawn(Arc::clone(&server.accounts).watch());
    let working = tasks.spawn(server.worker.run());
    let accounts = Arc::clone(&server.accounts);
    let serving = tasks.spawn(rustygpt_api::serve(
        listener,
        server.router,
        server.options,
        tasks.clone(),
    ));
    let url = address_url(bound, settings.tls.is_some())?;
    record.announce(settings.public_url.as_ref().unwrap_or(&url))?;
    let scheme = if settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    if starter::is_alone(&models) {
        output::remark(starter::BANNER);
    }
    output::line(&format!("listening on {scheme}://{bound}"))?;
    invite_owner(settings.public_url.as_ref().unwrap_or(&url), &accounts).await?;
    if arguments.show_clients {
        show_clients(settings.public_url.as_ref().unwrap_or(&url), &key, &models)?;
    }
    stop.wait().await;
    tracing::info!("stopping; a second signal stops at once");
    tasks.cancel();
    tokio::select! {
        served = serving => served.context("the server failed")??,
        () = stop.wait() => {
            tracing::warn!("stopped at once; open answers are cut");
            return Ok(ExitCode::SUCCESS);
        }
    }
    end_engines(&models).await;
    // It was told to end when the listener was, and gives back what it cannot end.
    if tokio::time::timeout(WORK_ENDS, working).await.is_err() {
        tracing::warn!("tasks did not end in time; their leases end, and they are done again");
    }
    if tokio::time::timeout(LAST_TASKS, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("some background work did not end in time");
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Finds the models, and loads those that stay in memory.
async fn load_models(settings: &Settings, tasks: &Tasks) -> Result<Models> {
    let gathering = {
        let (settings, group) = (settings.clone(), tasks.clone());
        tasks.spawn_blocking(move || compose::gather_models(&settings, &group))
    };
    let models = gathering.await.context("looking for models failed")??;
    models.load_pinned().await.map_err(|error| match error {
        UseCaseError::NotLoaded { id, cause } => {
            anyhow::Error::new(cause).context(format!("cannot load the model {id}"))
        }
        UseCaseError::NoRoom { .. } => anyhow::Error::new(error).context(
            "not all pinned models fit in memory; --pin ID pins fewer, --pin none loads each when \
             it is asked for",
        ),
        error => error.into(),
    })?;
    Ok(models)
}

/// Tells who sits at the terminal how to become the owner, while there is none. Where nobody sits
/// (a log reads along), only the command that tells it is named.
async fn invite_owner(url: &Url, accounts: &Accounts) -> Result<()> {
    if !io::stderr().is_terminal() {
        tracing::info!("accounts: `rustygpt open` prints a link for the owner");
        return Ok(());
    }
    if let Some(code) = accounts.offer_ownership(&Caller::local_owner()).await? {
        let mut link = url.clone();
        link.set_fragment(Some(&format!("owner={}", code.reveal())));
        output::remark(&format!(
            "There is no account yet; programs can use the key without one. To become the owner, \
             within a day:\n  {link}"
        ));
    }
    Ok(())
}

fn refuse_public_without_key(settings: &Settings) -> Result<()> {
    if settings.host.is_loopback() || settings.api_key.is_some() {
        return Ok(());
    }
    bail!(
        "on {} others can reach the server, so it needs a key that you chose: set RUSTYGPT_API_KEY \
         or --api-key, or listen on 127.0.0.1",
        settings.host
    )
}

async fn listen(settings: &Settings) -> Result<TcpListener> {
    let address = settings.address();
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => anyhow::anyhow!(
                "another program listens on {address}; stop it, or choose another port by --port \
             (0 takes any free one)"
            ),
            _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
        })
}

fn show_clients(url: &Url, key: &str, models: &Models) -> Result<()> {
    let first = |capability| {
        let mut known = models.overview().map(|overview| overview.about);
        let first = known.find(|about| about.capability == capability);
        first.map(|about| about.id.clone())
    };
    let (first, embedder) = (first(Capability::Language), first(Capability::Embedding));
    let model = first.as_deref().unwrap_or("MODEL");
    let base = url.as_str().trim_end_matches('/');
    let mut text = String::new();
    text.push_str("\n# OpenAI SDKs, and everything that reads their variables:\n");
    text.push_str(&snippet(Client::Openai, url, key, model));
    text.push_str("\n# curl:\n");
    text.push_str(&format!(
        "curl {base}/v1/chat/completions -H 'Authorization: Bearer {key}' \\\n  \
         -H 'Content-Type: application/json' \\\n  -d '{{\"model\": \"{model}\", \"stream\": true, \
         \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'\n"
    ));
    if let Some(embedder) = &embedder {
        text.push_str(&format!(
            "\n# embeddings:\ncurl {base}/v1/embeddings -H 'Authorization: Bearer {key}' \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{{\"model\": \"{embedder}\", \
             \"input\": [\"The sky is blue.\", \"Grass is green.\"]}}'\n"
        ));
    }
    text.push_str("\n# VS Code Copilot Chat (chatLanguageModels.json; see docs/copilot.md):\n");
    text.push_str(&snippet(Client::Vscode, url, key, model));
    if first.is_none() && embedder.is_none() {
        text.push_str("\n# There is no model yet. Get one, then start the server again:\n");
        text.push_str("rustygpt pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M\n");
    }
    Ok(output::piece(&text)?)
}

/// Ends all engines at once, so that many models take no longer than one.
async fn end_engines(models: &Models) {
    let ends = models.loaded().into_iter().map(|model| async move {
        if tokio::time::timeout(ENGINES_END, model.shutdown())
            .await
            .is_err()
        {
            tracing::warn!(
                model.id = model.description().id,
                "the engine did not end in time"
            );
        }
    });
    futures::future::join_all(ends).await;
}

/// SIGINT and SIGTERM.
struct StopSignal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        let kind = tokio::signal::unix::SignalKind::terminate();
        Ok(Self {
            terminate: tokio::signal::unix::signal(kind)?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Resolves at the next signal.
    #[cfg(unix)]
    async fn wait(&mut self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}
