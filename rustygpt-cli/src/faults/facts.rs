//! What there is on this machine, gathered once.

use super::certificate;
use crate::config::keys::{self, KEYS};
use crate::config::{Config, Settings, Source};
use crate::download::transfer::free_space;
use crate::{api_key, server_record};
use anyhow::Result;
use rustygpt_utils::clock::{Clock, SystemClock};
use rustygpt_utils::paths;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Whether the server could listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// It could.
    Free,
    /// Our own server does.
    Ours,
    /// It could not, and why.
    Taken(String),
}

/// A model on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelFact {
    pub(crate) path: PathBuf,
    /// Bytes of its weights.
    pub(crate) weight_bytes: u64,
    /// Why it cannot be opened.
    pub(crate) error: Option<String>,
}

/// What there is on this machine. What could not be found out is `None` and no fault.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) config_error: Option<String>,
    pub(crate) data_folder: PathBuf,
    pub(crate) data_folder_error: Option<String>,
    pub(crate) models_folder: PathBuf,
    pub(crate) key_error: Option<String>,
    pub(crate) host: IpAddr,
    pub(crate) port_number: u16,
    pub(crate) port: Port,
    pub(crate) has_explicit_key: bool,
    pub(crate) tls_error: Option<String>,
    pub(crate) models: Vec<ModelFact>,
    /// Bytes a new process may use.
    pub(crate) memory: Option<u64>,
    pub(crate) swap_used: Option<u64>,
    pub(crate) disk_free: Option<u64>,
    pub(crate) missing_cpu_features: Vec<&'static str>,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// Files that the server may have open at once.
    pub(crate) open_files: Option<u64>,
    /// A variable that sends even local requests to a proxy.
    pub(crate) proxy: Option<String>,
    pub(crate) offline: bool,
    pub(crate) hub_is_configured: bool,
    /// `RUSTYGPT_…` variables that are no setting, with the nearest that is.
    pub(crate) unknown_variables: Vec<(String, String)>,
}

impl Facts {
    /// A machine without a fault; where the settings cannot be read, all that is known.
    pub(crate) fn healthy() -> Self {
        Self {
            config_error: None,
            data_folder: PathBuf::from("/data"),
            data_folder_error: None,
            models_folder: PathBuf::from("/data/models"),
            key_error: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_number: 7878,
            port: Port::Free,
            has_explicit_key: false,
            tls_error: None,
            models: vec![ModelFact {
                path: PathBuf::from("/data/models/model.gguf"),
                weight_bytes: 1 << 30,
                error: None,
            }],
            memory: Some(64 << 30),
            swap_used: Some(0),
            disk_free: Some(64 << 30),
            missing_cpu_features: Vec::new(),
            now: 1_795_000_000,
            open_files: Some(4096),
            proxy: None,
            offline: false,
            hub_is_configured: false,
            unknown_variables: Vec::new(),
        }
    }

    /// Looks at this machine. `models` and `memory` come from who knows of models.
    pub(crate) fn gather(
        config: &Result<Config>,
        settings: &Result<Settings>,
        models: Vec<ModelFact>,
        memory: Option<u64>,
    ) -> Self {
        let error = |error: &anyhow::Error| format!("{error:#}");
        let mut facts = Self {
            config_error: config.as_ref().err().or(settings.as_ref().err()).map(error),
            models,
            memory,
            swap_used: swap_used(),
            missing_cpu_features: missing_cpu_features(),
            now: SystemClock.unix_seconds(),
            open_files: rlimit::Resource::NOFILE
                .get()
                .ok()
                .map(|(_soft, hard)| hard),
            proxy: proxy(),
            unknown_variables: unknown_variables(),
            ..Self::healthy()
        };
        let Ok(settings) = settings else {
            return facts;
        };
        facts.data_folder.clone_from(&settings.data_dir);
        facts.data_folder_error = write_probe(&settings.data_dir).err().map(|e| e.to_string());
        facts.models_folder.clone_from(&settings.models_dir);
        facts.key_error = api_key::read(&settings.key_file())
            .err()
            .as_ref()
            .map(error);
        facts.host = settings.host;
        facts.port_number = settings.port;
        facts.port = port(settings);
        facts.has_explicit_key = settings.api_key.is_some();
        facts.tls_error = settings.tls.as_ref().and_then(|(chain, key)| {
            certificate::check(chain, key, facts.now)
                .err()
                .as_ref()
                .map(error)
        });
        facts.disk_free = nearest_existing(&settings.data_dir).and_then(|f| free_space(f).ok());
        facts.offline = settings.offline;
        let endpoint_is_chosen = config
            .as_ref()
            .is_ok_and(|c| *c.source("hf_endpoint") != Source::Default);
        facts.hub_is_configured = settings.hf_token.is_some() || endpoint_is_chosen;
        facts
    }

    /// Where the server would listen.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port_number)
    }
}

/// Writes a file and deletes it: modes and mounts tell less than trying.
fn write_probe(folder: &Path) -> io::Result<()> {
    paths::create_private_folder(folder)?;
    let probe = folder.join(".doctor");
    paths::write_private(&probe, b"probe")?;
    fs::remove_file(probe)
}

fn nearest_existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.is_dir())
}

fn port(settings: &Settings) -> Port {
    if let Some(url) = server_record::running(&settings.data_dir)
        && url.port_or_known_default() == Some(settings.port)
    {
        return Port::Ours;
    }
    match TcpListener::bind(settings.address()) {
        Ok(_) => Port::Free,
        Err(error) => Port::Taken(error.to_string()),
    }
}

/// A proxy for http that local requests would take, as curl and the SDKs read the variables.
fn proxy() -> Option<String> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let either = |name: &str| value(name).or_else(|| value(&name.to_uppercase()));
    let excepted = either("no_proxy").unwrap_or_default();
    let is_local = |name: &str| matches!(name.trim(), "*" | "127.0.0.1" | "127.0.0.0/8");
    if excepted.split(',').any(is_local) {
        return None;
    }
    let names = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    names
        .into_iter()
        .find(|name| value(name).is_some())
        .map(str::to_owned)
}

fn unknown_variables() -> Vec<(String, String)> {
    // Read elsewhere than in the table of settings.
    const OTHERS: [&str; 2] = ["RUSTYGPT_CONFIG", "RUSTYGPT_SHARED"];
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let is_unknown = |name: &String| {
        name.starts_with("RUSTYGPT_")
            && !OTHERS.contains(&name.as_str())
            && !KEYS.iter().any(|key| key.variable() == *name)
    };
    let nearest = |name: String| {
        let near = keys::nearest(&name.trim_start_matches("RUSTYGPT_").to_lowercase());
        (name, format!("RUSTYGPT_{}", near.to_uppercase()))
    };
    names.filter(is_unknown).map(nearest).collect()
}

fn swap_used() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(kibibytes("SwapTotal:")?.saturating_sub(kibibytes("SwapFree:")?) << 10)
}

#[cfg(target_arch = "x86_64")]
fn missing_cpu_features() -> Vec<&'static str> {
    let features = [
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
        ("FMA", std::arch::is_x86_feature_detected!("fma")),
        ("F16C", std::arch::is_x86_feature_detected!("f16c")),
    ];
    features
        .into_iter()
        .filter(|(_, is_there)| !is_there)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn missing_cpu_features() -> Vec<&'static str> {
    Vec::new()
}
