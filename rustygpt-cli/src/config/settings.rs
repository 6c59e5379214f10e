//! [`Settings`]: the values, each of the type that its part of the program needs.

use super::issuers::IssuerChoice;
use super::value::Value;
use super::{Config, Source, runtime};
use crate::secret::{Reference, Secret};
use anyhow::{Context as _, Result, bail};
use rustygpt_model::candle::{CacheType, ComputeDevice};
use rustygpt_model::registry::{lm_studio_folders, ollama_store};
use rustygpt_orchestrator::settings::Layers;
use rustygpt_utils::telemetry::LogFormat;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// A model to serve: where it is and, if the person chose, what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelChoice {
    /// A file or folder.
    pub(crate) path: PathBuf,
    /// The id clients use; else the file's stem or the folder's name.
    pub(crate) id: Option<String>,
}

/// Where accounts and data are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL, by its URL, which may hold a password.
    Database(String),
    /// Where the secret at this place says. The home folder is what `~/` stands for in it.
    At(Reference, PathBuf),
}

impl StorePlace {
    /// Reads `sqlite:PATH` or `postgres://…`; `None` for anything else.
    pub(crate) fn read(text: &str, home: &Path) -> Option<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Some(Self::Database(text.to_owned()));
        }
        let path = text
            .strip_prefix("sqlite:")
            .filter(|path| !path.is_empty())?;
        let path = path.strip_prefix("//").unwrap_or(path);
        Some(Self::File(match path.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(path),
        }))
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "File({})", path.display()),
            Self::Database(_) => formatter.write_str("Database(…)"),
            Self::At(reference, _) => write!(formatter, "At({reference})"),
        }
    }
}

/// Every setting, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// Where accounts and data are kept.
    pub(crate) store: StorePlace,
    pub(crate) models_dir: PathBuf,
    pub(crate) offline: bool,
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) api_key: Option<Secret>,
    pub(crate) models: Vec<ModelChoice>,
    /// The built-in model's file, where a person names one.
    pub(crate) starter: Option<PathBuf>,
    /// `(alias, id)`.
    pub(crate) aliases: Vec<(String, String)>,
    /// How long a model stays in memory that nobody uses; `None` for ever.
    pub(crate) keep_alive: Option<Duration>,
    /// Ids of the models that stay in memory; `None` where a person says nothing.
    pub(crate) pins: Option<Vec<String>>,
    /// Memory of all loaded models together.
    pub(crate) model_memory: Option<u64>,
    pub(crate) context_length: Option<usize>,
    pub(crate) kv_memory: Option<u64>,
    pub(crate) kv_type: CacheType,
    pub(crate) device: ComputeDevice,
    pub(crate) slots: usize,
    pub(crate) queue: usize,
    pub(crate) threads: Option<usize>,
    pub(crate) max_tokens: u32,
    pub(crate) is_deterministic: bool,
    /// Where what was read is kept for the next start.
    pub(crate) prompt_cache: Option<PathBuf>,
    pub(crate) prompt_cache_size: u64,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) public_url: Option<Url>,
    /// Who people may sign in by.
    pub(crate) issuers: Vec<IssuerChoice>,
    pub(crate) trusted_proxies: Vec<String>,
    /// Certificate chain and private key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) cors_origins: Vec<String>,
    /// Whether programs of this machine need no key for inference and discovery.
    pub(crate) is_loopback_open: bool,
    pub(crate) drain_timeout: Duration,
    pub(crate) hf_endpoint: Url,
    pub(crate) hf_token: Option<Secret>,
    /// Where Ollama keeps its models.
    pub(crate) ollama_models: PathBuf,
    /// The folders where LM Studio keeps its models.
    pub(crate) lm_studio_models: Vec<PathBuf>,
    /// What is said outside the store of the settings that count while the server runs.
    pub(crate) runtime: Layers,
}

impl Settings {
    /// Gives every value its type.
    ///
    /// # Errors
    /// A value that means nothing; the error names it and its source.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let read = Reader { config };
        let data_dir = read
            .path("data_dir")
            .unwrap_or_else(|| config.folders.data.clone());
        let models_dir = read
            .path("models_dir")
            .unwrap_or_else(|| data_dir.join("models"));
        Ok(Self {
            store: match read.text("database_url") {
                None => StorePlace::File(data_dir.join("rustygpt.db")),
                Some(text) => read.store(text)?,
            },
            offline: config.value("offline") == Some(&Value::Switch(true)),
            log: read.text("log").map(str::to_owned),
            log_format: match read.text("log_format") {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
            host: read.host()?,
            port: read.number("port")?.unwrap_or_default(),
            api_key: read.secret("api_key")?,
            models: read
                .list("model")
                .iter()
                .map(|text| read.model(text))
                .collect::<Result<_>>()?,
            starter: read.path("starter"),
            aliases: read
                .list("alias")
                .iter()
                .map(|text| alias(text))
                .collect::<Result<_>>()?,
            keep_alive: match config.value("keep_alive") {
                Some(Value::Period(period)) => *period,
                _ => None,
            },
            pins: read.pins()?,
            model_memory: read.number("model_memory")?,
            context_length: read.number("ctx")?,
            kv_memory: read.number("kv_memory")?,
            kv_type: match read.text("kv_type") {
                Some("f32") => CacheType::F32,
                Some("bf16") => CacheType::Bf16,
                _ => CacheType::F16,
            },
            device: match read.text("device") {
                Some("cpu") => ComputeDevice::Processor,
                Some("cuda") => ComputeDevice::Cuda(0),
                Some("metal") => ComputeDevice::Metal(0),
                _ => ComputeDevice::best(),
            },
            slots: read.number("slots")?.unwrap_or(8),
            queue: read.number("queue")?.unwrap_or(64),
            threads: read.number("threads")?,
            max_tokens: read.number("max_tokens")?.unwrap_or(4096),
            is_deterministic: config.value("deterministic") == Some(&Value::Switch(true)),
            prompt_cache: read.path("prompt_cache"),
            prompt_cache_size: read.number("prompt_cache_size")?.unwrap_or(1 << 30),
            allowed_hosts: read.list("allowed_host").to_vec(),
            public_url: read.url("public_url")?,
            issuers: read
                .list("issuer")
                .iter()
                .map(|text| IssuerChoice::read(text, &config.folders.home))
                .collect::<Result<_>>()
                .with_context(|| read.place("issuer"))?,
            trusted_proxies: read.list("trusted_proxy").to_vec(),
            tls: read.tls()?,
            cors_origins: read.list("cors_origin").to_vec(),
            is_loopback_open: config.value("open_loopback") == Some(&Value::Switch(true)),
            drain_timeout: Duration::from_secs(read.number("drain_timeout")?.unwrap_or(20)),
            hf_endpoint: read.url("hf_endpoint")?.context("hf_endpoint is not set")?,
            hf_token: read.secret("hf_token")?,
            ollama_models: read
                .path("ollama_models")
                .unwrap_or_else(|| ollama_store(&config.folders.home)),
            lm_studio_models: lm_studio_folders(&config.folders.home),
            runtime: runtime::layers(config)?,
            data_dir,
            models_dir,
        })
    }

    /// Where the server's own key is kept.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.data_dir.join("api-key")
    }

    /// Where files of the audit log are kept.
    pub(crate) fn audit_folder(&self) -> PathBuf {
        self.data_dir.join("audit")
    }

    /// Where the root secret is kept, from which other keys are derived.
    pub(crate) fn root_secret_file(&self) -> PathBuf {
        self.data_dir.join("root-secret")
    }

    /// Where to listen.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

struct Reader<'a> {
    config: &'a Config,
}

impl<'a> Reader<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        match self.config.value(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> &'a [String] {
        match self.config.value(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>> {
        match self.config.value(name) {
            Some(Value::Number(number)) => {
                let number = T::try_from(*number).ok();
                number
                    .map(Some)
                    .with_context(|| format!("{name}: too large for this machine"))
            }
            _ => Ok(None),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(|text| self.expand(text))
    }

    /// The shell expands `~/` in flags; in the file and the environment we do.
    fn expand(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/") {
            Some(rest) => self.config.folders.home.join(rest),
            None => PathBuf::from(text),
        }
    }

    fn place(&self, name: &str) -> String {
        match self.config.source(name) {
            Source::Default => name.to_owned(),
            source => format!("{name} ({source})"),
        }
    }

    fn host(&self) -> Result<IpAddr> {
        match self.text("host").unwrap_or("127.0.0.1") {
            "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            text => text
                .trim_matches(['[', ']'])
                .parse()
                .with_context(|| format!("{}: '{text}' is not an IP address", self.place("host"))),
        }
    }

    fn url(&self, name: &str) -> Result<Option<Url>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let url = Url::parse(text).with_context(|| {
            format!(
                "{}: '{text}' is not an address like https://name",
                self.place(name)
            )
        })?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            bail!(
                "{}: '{text}' is not an address like https://name",
                self.place(name)
            );
        }
        Ok(Some(url))
    }

    /// Never repeats the text: it may hold a password.
    fn store(&self, text: &str) -> Result<StorePlace> {
        let home = &self.config.folders.home;
        if let Some(place) = StorePlace::read(text, home) {
            return Ok(place);
        }
        match Reference::read(text, home) {
            Ok(Some(reference)) => Ok(StorePlace::At(reference, home.clone())),
            _ => bail!(
                "{}: it must be sqlite:PATH or postgres://…, or say where that lies: env:NAME, \
                 file:PATH, keyring:SERVICE/NAME",
                self.place("database_url")
            ),
        }
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        let secret = self
            .text(name)
            .map(|text| Secret::read(text, &self.config.folders.home));
        secret.transpose().with_context(|| self.place(name))
    }

    fn tls(&self) -> Result<Option<(PathBuf, PathBuf)>> {
        match (self.path("tls_cert"), self.path("tls_key")) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("--tls-cert needs --tls-key"),
            (None, Some(_)) => bail!("--tls-key needs --tls-cert"),
        }
    }

    /// The models to pin; `none` alone pins nothing.
    fn pins(&self) -> Result<Option<Vec<String>>> {
        match self.list("pin") {
            [] => Ok(None),
            [none] if none == "none" => Ok(Some(Vec::new())),
            pins if pins.iter().any(|pin| pin == "none") => {
                bail!("{}: 'none' cannot stand beside others", self.place("pin"))
            }
            pins => Ok(Some(pins.to_vec())),
        }
    }

    fn model(&self, text: &str) -> Result<ModelChoice> {
        // A path may hold '='; what follows the last one is an id only if the whole is no path.
        let whole = self.expand(text);
        if let Some((path, id)) = text.rsplit_once('=')
            && !Path::new(&whole).exists()
        {
            if id.is_empty() || id.contains('/') || path.is_empty() {
                bail!("{}: '{text}' is not PATH or PATH=ID", self.place("model"));
            }
            return Ok(ModelChoice {
                path: self.expand(path),
                id: Some(id.to_owned()),
            });
        }
        Ok(ModelChoice {
            path: whole,
            id: None,
        })
    }
}

fn alias(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, id)) if !name.is_empty() && !id.is_empty() => {
            Ok((name.to_owned(), id.to_owned()))
        }
        _ => bail!("alias: '{text}' is not NAME=ID, for example gpt-4o=my-model"),
    }
}
