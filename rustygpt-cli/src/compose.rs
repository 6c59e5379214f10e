//! Puts the parts together: the only place that constructs concrete things.

use crate::config::Settings;
use crate::config::settings::ModelChoice;
use crate::faults::ModelFact;
use crate::{models_on_disk, starter};
use anyhow::{Context as _, Result, bail};
use rustygpt_api::listener::tls;
use rustygpt_api::{ApiParts, ApiState, HostPolicy, Networks, Origin, RequestLimits, ServeOptions};
use rustygpt_model::candle::{self, LoadOptions};
use rustygpt_model::contract::{Forward, ModelDescription, ModelError, ModelKind, Pooling};
use rustygpt_model::engine::{
    AnyModel, EmbeddingModel, EmbeddingOptions, EmbeddingParts, EngineOptions, LoadedModel,
    ModelParts,
};
use rustygpt_model::prompt::{ChatTemplate, RenderLimits, RenderProcess, Renderer};
use rustygpt_model::registry;
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Purpose, Source, generation_defaults, purpose};
use rustygpt_orchestrator::access::{KeyDigest, Keyring};
use rustygpt_orchestrator::models::Models;
use rustygpt_utils::clock::{Clock, SystemClock};
use rustygpt_utils::ids;
use rustygpt_utils::tasks::Tasks;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Renders templates in processes of this same program, with bounded time and memory.
pub(crate) fn renderer() -> Result<Renderer> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let arguments = vec!["render-worker".into()];
    Ok(Renderer::Process(RenderProcess::new(
        program,
        arguments,
        RenderLimits::default(),
    )))
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

/// Loads a model and starts its engine. `cache_share` is in how many equal parts the memory of
/// the key/value caches is divided.
pub(crate) fn load_model(
    settings: &Settings,
    choice: &ModelChoice,
    cache_share: u64,
) -> Result<AnyModel> {
    let files = ModelFiles::open(&choice.path)?;
    match purpose(files.source()) {
        Ok(Purpose::Language) => Ok(load_language(settings, choice, &files, cache_share)?.into()),
        Ok(Purpose::Embedding(pooling)) => {
            Ok(load_embedding(settings, choice, &files, pooling)?.into())
        }
        Err(reason) => bail!("{}: {reason}", choice.path.display()),
    }
}

/// Loads a model that is to answer.
///
/// # Errors
/// As [`load_model`], and a model that embeds.
pub(crate) fn load_language_model(
    settings: &Settings,
    choice: &ModelChoice,
) -> Result<LoadedModel> {
    match load_model(settings, choice, 1)? {
        AnyModel::Language(model) => Ok(model),
        AnyModel::Embedding(_) => bail!(
            "{} is an embedding model and cannot chat; serve it (rustygpt serve --model) and ask \
             for embeddings",
            choice.path.display()
        ),
    }
}

/// Loads a model that embeds and starts its engine.
fn load_embedding(
    settings: &Settings,
    choice: &ModelChoice,
    files: &ModelFiles,
    pooling: Pooling,
) -> Result<EmbeddingModel> {
    registry::fits_in_memory(files, 0)?;
    let tokenizer = tokenizer(files)?;
    let model = candle::load_embedder(files, pooling, &load_options(settings, 0))?;
    let shape = model.shape();
    let kind = ModelKind::Embedding {
        dimensions: shape.dimensions,
        pooling,
    };
    let description = describe(choice, files, kind, shape.context_length, shape.vocabulary);
    let parts = EmbeddingParts {
        description,
        model,
        tokenizer: Arc::new(tokenizer),
        options: EmbeddingOptions {
            slots: settings.slots,
            queue_limit: settings.queue,
            ..EmbeddingOptions::default()
        },
    };
    Ok(EmbeddingModel::start(parts)?)
}

fn load_options(settings: &Settings, cache_bytes: u64) -> LoadOptions {
    LoadOptions {
        context_length: settings.context_length,
        slots: settings.slots,
        cache_bytes,
        cache_type: settings.kv_type,
        ..LoadOptions::default()
    }
}

/// What is known of a model before it runs.
fn describe(
    choice: &ModelChoice,
    files: &ModelFiles,
    kind: ModelKind,
    context_length: usize,
    vocabulary: usize,
) -> ModelDescription {
    let summary = registry::describe(files);
    let default_id = || models_on_disk::default_id(&choice.path);
    ModelDescription {
        id: choice.id.clone().unwrap_or_else(default_id),
        path: choice.path.clone(),
        kind,
        architecture: summary.architecture,
        quantization: summary.quantization,
        parameters: summary.parameters,
        weight_bytes: summary.weight_bytes,
        trained_context_length: summary.trained_context_length.unwrap_or(context_length),
        context_length,
        vocabulary,
        has_chat_template: summary.has_chat_template,
        defaults: generation_defaults(files.source()),
    }
}

/// Loads a model that answers and starts its engine.
fn load_language(
    settings: &Settings,
    choice: &ModelChoice,
    files: &ModelFiles,
    cache_share: u64,
) -> Result<LoadedModel> {
    let cache_bytes =
        models_on_disk::cache_bytes(settings, files.weight_bytes()) / cache_share.max(1);
    settings.device.check().context("device")?;
    if settings.device.uses_main_memory() {
        // Refused by its sizes, before anything is allocated.
        registry::fits_in_memory(files, cache_bytes.min(models_on_disk::SMALLEST_CACHE))?;
    }
    let tokenizer = tokenizer(files)?;
    let own_template = template(files)?;
    if own_template.is_none() {
        // As llama.cpp does: most models without a template were at least trained on ChatML, and
        // a conversation that is refused helps nobody.
        tracing::warn!(
            path = %choice.path.display(),
            "the model has no chat template of its own; conversations are rendered as ChatML"
        );
    }
    let options = LoadOptions {
        device: settings.device,
        ..load_options(settings, cache_bytes)
    };
    let forward = candle::load(files, &options)?;
    let geometry = forward.geometry();
    let description = describe(
        choice,
        files,
        ModelKind::Language,
        geometry.context_length,
        geometry.vocabulary,
    );
    let parts = ModelParts {
        description,
        forward: Box::new(forward),
        tokenizer: Arc::new(tokenizer),
        template: Some(own_template.unwrap_or_else(ChatTemplate::chatml)),
        renderer: renderer()?,
        options: EngineOptions {
            slots: settings.slots,
            queue_limit: settings.queue,
            default_max_tokens: Some(settings.max_tokens),
            is_deterministic: settings.is_deterministic,
            ..EngineOptions::default()
        },
    };
    Ok(LoadedModel::start(parts)?)
}

/// Loads every model that the settings name; without any, those in the models folder that can be
/// loaded; without those, the built-in one.
pub(crate) fn load_models(settings: &Settings) -> Result<Models> {
    let mut models = Models::new();
    let now = SystemClock.unix_seconds();
    let share = |choices: &[ModelChoice]| choices.iter().filter(|c| has_cache(c)).count() as u64;
    let named = settings
        .models
        .iter()
        .map(|choice| resolved(settings, choice));
    let named = named.collect::<Result<Vec<_>>>()?;
    for choice in &named {
        let model = load_model(settings, choice, share(&named))
            .with_context(|| format!("cannot load {}", choice.path.display()))?;
        announce(&model);
        models.insert(model, now)?;
    }
    if settings.models.is_empty() {
        let found = models_on_disk::in_folder(&settings.models_dir);
        let mut load_what_can_be = |found: &[ModelChoice]| {
            for choice in found {
                // One bad file must not keep the others from answering.
                let loaded = load_model(settings, choice, share(found)).and_then(|model| {
                    announce(&model);
                    Ok(models.insert(model, now)?)
                });
                if let Err(error) = loaded {
                    let path = choice.path.display();
                    tracing::warn!(%path, error = %format!("{error:#}"), "model left out");
                }
            }
            models.loaded().next().is_some()
        };
        if !load_what_can_be(&found) {
            load_what_can_be(starter::find(settings).as_slice());
        }
    }
    for (alias, id) in &settings.aliases {
        models.alias(alias, id)?;
    }
    Ok(models)
}

/// Whether a model needs a part of the memory for key/value caches. One that cannot be opened is
/// told of when it is loaded.
fn has_cache(choice: &ModelChoice) -> bool {
    let purpose = ModelFiles::open(&choice.path).map(|files| purpose(files.source()));
    !matches!(purpose, Ok(Ok(Purpose::Embedding(_))))
}

fn announce(model: &AnyModel) {
    let description = model.description();
    tracing::info!(
        model.id = description.id,
        kind = description.kind.name(),
        architecture = description.architecture,
        quantization = description.quantization,
        context_length = description.context_length,
        "model loaded"
    );
}

/// What `serve` runs: the router and how to serve it.
pub(crate) struct Server {
    pub(crate) router: axum::Router,
    pub(crate) options: ServeOptions,
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
    let parts = ApiParts {
        models,
        keyring: Keyring::new([KeyDigest::of(key)]),
        keyless: false,
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
        ModelFact {
            weight_bytes: opened
                .as_ref()
                .map_or(0, |files| registry::describe(files).weight_bytes),
            error: opened.err().map(|error| error.to_string()),
            path: choice.path,
        }
    };
    choices.into_iter().map(fact).collect()
}
