//! Which models the server has, and how one of them gets from its files into memory.

use super::prompt_cache::prompt_cache;
use super::{renderer, resolved, template, tokenizer};
use crate::config::Settings;
use crate::config::settings::ModelChoice;
use crate::{models_on_disk, starter};
use anyhow::{Context as _, Result, bail};
use rustygpt_model::candle::{self, Footprint, LoadOptions};
use rustygpt_model::contract::{Forward, ModelDescription, ModelError, ModelKind, Pooling};
use rustygpt_model::engine::{
    AnyModel, EmbeddingModel, EmbeddingOptions, EmbeddingParts, EngineOptions, LoadedModel,
    ModelParts,
};
use rustygpt_model::prompt::ChatTemplate;
use rustygpt_model::registry;
use rustygpt_model::weights::{ModelFiles, Purpose, generation_defaults, purpose};
use rustygpt_orchestrator::models::{About, Bounds, Capability, Loaded, Models, Offer, Source};
use rustygpt_utils::clock::{Clock, SystemClock};
use rustygpt_utils::tasks::Tasks;
use std::path::Path;
use std::sync::Arc;

/// The models that may be asked for: those that the settings name; without any, those in the
/// models folder that can be opened; without those, the built-in one. None is loaded yet.
///
/// # Errors
/// A model that was named and cannot be opened, two of one name, an alias or a pin for none.
pub(crate) fn gather_models(settings: &Settings, tasks: &Tasks) -> Result<Models> {
    let main_memory = || {
        let is_bound = settings.device.uses_main_memory();
        is_bound.then(registry::available_memory).flatten()
    };
    let bounds = Bounds {
        memory: settings.model_memory.or_else(main_memory),
        keep_alive: settings.keep_alive,
    };
    let mut models = Models::within(bounds, Arc::new(SystemClock), tasks.clone());
    let named = settings.models.iter();
    let named: Vec<ModelChoice> = named
        .map(|choice| resolved(settings, choice))
        .collect::<Result<_>>()?;
    let mut offers = Vec::new();
    for choice in &named {
        let offer = offer(settings, choice);
        offers.push(offer.with_context(|| format!("cannot load {}", choice.path.display()))?);
    }
    let mut are_to_stay = !named.is_empty();
    if named.is_empty() {
        offers = what_can_be_opened(settings, models_on_disk::in_folder(&settings.models_dir));
        if offers.is_empty() {
            are_to_stay = true;
            offers = what_can_be_opened(settings, starter::find(settings));
        }
    }
    pin(settings, &mut offers, are_to_stay)?;
    for offer in offers {
        let path = offer.source.choice.path.clone();
        match models.offer(offer.into()) {
            Err(error) if named.is_empty() => {
                tracing::warn!(path = %path.display(), %error, "model left out");
            }
            outcome => outcome?,
        }
    }
    for (alias, id) in &settings.aliases {
        models.alias(alias, id)?;
    }
    Ok(models)
}

/// The models that can be opened: one bad file must not keep the others from answering.
fn what_can_be_opened(
    settings: &Settings,
    choices: impl IntoIterator<Item = ModelChoice>,
) -> Vec<OnDisk> {
    let open = |choice: ModelChoice| match offer(settings, &choice) {
        Ok(offer) => Some(offer),
        Err(error) => {
            tracing::warn!(path = %choice.path.display(), %error, "model left out");
            None
        }
    };
    choices.into_iter().filter_map(open).collect()
}

/// A model on disk that may be asked for.
struct OnDisk {
    about: About,
    needed_bytes: u64,
    is_pinned: bool,
    source: Files,
}

impl From<OnDisk> for Offer {
    fn from(model: OnDisk) -> Self {
        Self {
            about: model.about,
            needed_bytes: model.needed_bytes,
            is_pinned: model.is_pinned,
            source: Arc::new(model.source),
        }
    }
}

/// Loads a model from its files.
struct Files {
    settings: Settings,
    choice: ModelChoice,
    /// In how many equal parts the memory that the weights leave is divided.
    cache_share: u64,
}

impl Source for Files {
    fn load(&self, room: Option<u64>) -> Result<Loaded, ModelError> {
        load_model(&self.settings, &self.choice, room, self.cache_share)
    }
}

/// Opens a model and reads what its headers say.
///
/// # Errors
/// A model that cannot be opened, or is of a kind that cannot be run.
fn offer(settings: &Settings, choice: &ModelChoice) -> Result<OnDisk, ModelError> {
    let files = ModelFiles::open(&choice.path)?;
    let footprint = footprint(settings, &files)?;
    let summary = registry::describe(&files);
    let default_id = || models_on_disk::default_id(&choice.path);
    let about = About {
        id: choice.id.clone().unwrap_or_else(default_id),
        capability: match summary.purpose {
            Ok(Purpose::Embedding(_)) => Capability::Embedding,
            _ => Capability::Language,
        },
        architecture: summary.architecture,
        quantization: summary.quantization,
        parameters: summary.parameters,
        context_length: settings.context_length.or(summary.trained_context_length),
        created: SystemClock.unix_seconds(),
    };
    Ok(OnDisk {
        about,
        needed_bytes: least_bytes(settings, &footprint),
        is_pinned: false,
        source: Files {
            settings: settings.clone(),
            choice: choice.clone(),
            cache_share: 1,
        },
    })
}

/// Pins the models that the settings say; where they say nothing, all of them if they are to stay.
///
/// # Errors
/// A pin for a model that is not there.
fn pin(settings: &Settings, offers: &mut [OnDisk], are_to_stay: bool) -> Result<()> {
    let real = |name: &String| {
        let alias = settings.aliases.iter().find(|(alias, _)| alias == name);
        alias.map_or(name.clone(), |(_, id)| id.clone())
    };
    match &settings.pins {
        None => offers
            .iter_mut()
            .for_each(|offer| offer.is_pinned = are_to_stay),
        Some(pins) => {
            for id in pins.iter().map(real) {
                match offers.iter_mut().find(|offer| offer.about.id == id) {
                    Some(offer) => offer.is_pinned = true,
                    None => bail!("there is no model `{id}` to pin"),
                }
            }
        }
    }
    // Pinned models are loaded one after the other; the first must not take all.
    let pinned = offers.iter().filter(|offer| offer.is_pinned);
    let share = pinned.filter(|offer| offer.about.capability == Capability::Language);
    let share = share.count() as u64;
    for offer in offers.iter_mut().filter(|offer| offer.is_pinned) {
        offer.source.cache_share = share.max(1);
    }
    Ok(())
}

/// What a model will take in memory.
///
/// # Errors
/// A model of a kind that cannot be run.
pub(crate) fn footprint(settings: &Settings, files: &ModelFiles) -> Result<Footprint, ModelError> {
    match purpose(files.source()) {
        Ok(Purpose::Language) => candle::footprint(files, &load_options(settings, 0)),
        Ok(Purpose::Embedding(_)) => candle::embedder_footprint(files),
        Err(reason) => Err(unsupported(files.path(), reason)),
    }
}

/// Bytes without which a model is not loaded: with the cache that the settings ask for, else with
/// the smallest worth having.
pub(crate) fn least_bytes(settings: &Settings, footprint: &Footprint) -> u64 {
    match settings.kv_memory {
        Some(bytes) => footprint.with_cache(bytes.min(footprint.most_cache_bytes)),
        None => footprint.least_bytes(),
    }
}

fn unsupported(path: &Path, reason: String) -> ModelError {
    let path = path.to_owned();
    ModelError::UnsupportedModel { path, reason }
}

/// Loads a model and starts its engine. It may take `room` bytes, and of what its weights leave of
/// them one part of `cache_share` equal ones for its cache.
///
/// # Errors
/// [`ModelError`] naming the file, or what does not fit.
fn load_model(
    settings: &Settings,
    choice: &ModelChoice,
    room: Option<u64>,
    cache_share: u64,
) -> Result<Loaded, ModelError> {
    let files = ModelFiles::open(&choice.path)?;
    let footprint = footprint(settings, &files)?;
    let check = settings.device.check();
    check.map_err(|error| unsupported(&choice.path, error.to_string()))?;
    let mut free = room;
    if settings.device.uses_main_memory() {
        // Refused by its sizes, before anything is allocated.
        let fit = registry::fits_in_memory(&choice.path, least_bytes(settings, &footprint))?;
        if let Some(available_bytes) = room.filter(|&room| fit.needed_bytes > room) {
            // The file is not the one that was listed.
            return Err(ModelError::OutOfMemory {
                what: format!("the model {}", choice.path.display()),
                needed_bytes: fit.needed_bytes,
                available_bytes,
            });
        }
        free = match (room, fit.available_bytes) {
            (Some(room), Some(available)) => Some(room.min(available)),
            (room, available) => room.or(available),
        };
    }
    let cache_bytes = models_on_disk::cache_bytes(settings, &footprint, free, cache_share);
    match purpose(files.source()) {
        Ok(Purpose::Embedding(pooling)) => Ok(Loaded {
            model: load_embedding(settings, choice, &files, pooling)?.into(),
            bytes: footprint.with_cache(0),
        }),
        _ => {
            let (model, cache_bytes) = load_language(settings, choice, &files, cache_bytes)?;
            Ok(Loaded {
                model: model.into(),
                bytes: footprint.with_cache(cache_bytes),
            })
        }
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
    // What was read is the server's: a program beside it would write over it.
    let settings = Settings {
        prompt_cache: None,
        ..settings.clone()
    };
    match load_model(&settings, choice, None, 1)?.model {
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
) -> Result<EmbeddingModel, ModelError> {
    let tokenizer = tokenizer(files).map_err(|error| invalid(files, &error))?;
    let model = candle::load_embedder(files, pooling, &load_options(settings, 0))?;
    let shape = model.shape();
    let kind = ModelKind::Embedding {
        dimensions: shape.dimensions,
        pooling,
    };
    let description = describe(choice, files, kind, shape.context_length, shape.vocabulary);
    EmbeddingModel::start(EmbeddingParts {
        description,
        model,
        tokenizer: Arc::new(tokenizer),
        options: EmbeddingOptions {
            slots: settings.slots,
            queue_limit: settings.queue,
            ..EmbeddingOptions::default()
        },
    })
}

/// Loads a model that answers and starts its engine; also says how many bytes its cache takes.
fn load_language(
    settings: &Settings,
    choice: &ModelChoice,
    files: &ModelFiles,
    cache_bytes: u64,
) -> Result<(LoadedModel, u64), ModelError> {
    let tokenizer = tokenizer(files).map_err(|error| invalid(files, &error))?;
    let own_template = template(files)?;
    if own_template.is_none() {
        // As llama.cpp does: most models without a template were at least trained on ChatML, and
        // a conversation that is refused helps nobody.
        tracing::warn!(
            path = %choice.path.display(),
            "the model has no chat template of its own; conversations are rendered as ChatML"
        );
    }
    let forward = candle::load(files, &load_options(settings, cache_bytes))?;
    let (geometry, cache_bytes) = (forward.geometry(), forward.cache_bytes());
    let description = describe(
        choice,
        files,
        ModelKind::Language,
        geometry.context_length,
        geometry.vocabulary,
    );
    let prompt_cache = prompt_cache(settings, files, &description.id);
    let model = LoadedModel::start(ModelParts {
        description,
        forward: Box::new(forward),
        tokenizer: Arc::new(tokenizer),
        template: Some(own_template.unwrap_or_else(ChatTemplate::chatml)),
        renderer: renderer().map_err(|error| ModelError::Internal(error.into()))?,
        options: EngineOptions {
            slots: settings.slots,
            queue_limit: settings.queue,
            default_max_tokens: Some(settings.max_tokens),
            is_deterministic: settings.is_deterministic,
            prompt_cache,
            ..EngineOptions::default()
        },
    })?;
    Ok((model, cache_bytes))
}

/// A file whose part beside the weights is broken.
fn invalid(files: &ModelFiles, error: &anyhow::Error) -> ModelError {
    ModelError::InvalidFile {
        path: files.path().to_owned(),
        reason: error.root_cause().to_string(),
    }
}

fn load_options(settings: &Settings, cache_bytes: u64) -> LoadOptions {
    LoadOptions {
        context_length: settings.context_length,
        slots: settings.slots,
        cache_bytes,
        cache_type: settings.kv_type,
        device: settings.device,
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
