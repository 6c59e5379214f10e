//! Settings: defaults < file < environment < flags, each value with where it came from. Between the
//! file and the environment stands the store, for those settings that count while the server runs
//! ([`runtime`]).
//!
//! Past [`Config::settings`] nothing is text any more and nothing is checked again.

pub(crate) mod flags;
pub(crate) mod issuers;
pub(crate) mod keys;
pub(crate) mod runtime;
pub(crate) mod settings;
pub(crate) mod value;

pub(crate) use settings::Settings;

use crate::secret::Reference;
use anyhow::{Context as _, Result, bail};
use keys::{KEYS, Key};
use rustygpt_utils::paths::Folders;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use value::Value;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// This environment variable.
    Variable(String),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(formatter, "default"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Variable(name) => write!(formatter, "environment {name}"),
            Self::Flag(name) => write!(formatter, "flag --{name}"),
        }
    }
}

/// Every value that was given, with its source.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The folders of this person.
    pub(crate) folders: Folders,
    /// The file that was read, or would be if it existed.
    pub(crate) file: PathBuf,
    values: BTreeMap<&'static str, (Value, Source)>,
}

/// The variables of the process, or of a test.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Config {
    /// Gathers all four places. `file` is the one named by `--config` or `RUSTYGPT_CONFIG`, which
    /// then must exist.
    ///
    /// # Errors
    /// An unreadable file, an unknown name in it, a value that is not of its setting's kind.
    pub(crate) fn gather(
        file: Option<&Path>,
        environment: Environment<'_>,
        flags: Vec<(&'static Key, Value)>,
    ) -> Result<Self> {
        let folders = Folders::find("rustygpt", environment)?;
        let path = file.map_or_else(|| folders.config.join("config.toml"), Path::to_owned);
        let mut values = BTreeMap::new();
        for key in &KEYS {
            if let Some(default) = key.default {
                let value = key.kind.parse(default).map_err(anyhow::Error::msg)?;
                values.insert(key.name, (value, Source::Default));
            }
        }
        if file.is_some() || path.exists() {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?;
            for (key, value) in parse_file(&path, &text)? {
                values.insert(key.name, (value, Source::File(path.clone())));
            }
        }
        for key in &KEYS {
            let names = key
                .other_variable
                .map(str::to_owned)
                .into_iter()
                .chain([key.variable()]);
            for name in names {
                let Some(text) = environment(&name).filter(|text| !text.is_empty()) else {
                    continue;
                };
                let text = text
                    .to_str()
                    .with_context(|| format!("{name} is not UTF-8"))?;
                let value = key.kind.parse_variable(text);
                let value = value.map_err(|reason| anyhow::anyhow!("{name}: {reason}"))?;
                values.insert(key.name, (value, Source::Variable(name)));
            }
        }
        for (key, value) in flags {
            values.insert(key.name, (value, Source::Flag(key.flag())));
        }
        Ok(Self {
            folders,
            file: path,
            values,
        })
    }

    /// The value of a setting, if one was given or is its default.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name).map(|(value, _)| value)
    }

    /// Where a setting's value came from.
    pub(crate) fn source(&self, name: &str) -> &Source {
        self.values
            .get(name)
            .map_or(&Source::Default, |(_, source)| source)
    }

    /// The values, each of the type its part of the program needs.
    ///
    /// # Errors
    /// Values that do not mean anything, such as a host that is no address.
    pub(crate) fn settings(&self) -> Result<Settings> {
        Settings::new(self)
    }

    /// A secret's line: where it lies may be seen.
    fn hidden(&self, value: &Value) -> String {
        match Reference::read(&value.plain(), &self.folders.home) {
            Ok(Some(reference)) => reference.to_string(),
            _ => "(hidden)".to_owned(),
        }
    }

    /// One line per setting: name, value (secrets hidden), source.
    pub(crate) fn show(&self) -> Vec<(&'static str, String, String)> {
        let line = |key: &Key| {
            let value = match self.value(key.name) {
                None => "(not set)".to_owned(),
                Some(value) if key.is_secret => self.hidden(value),
                Some(value) => value.to_string(),
            };
            (key.name, value, self.source(key.name).to_string())
        };
        KEYS.iter().map(line).collect()
    }
}

/// The settings in a file.
///
/// # Errors
/// TOML that is none, an unknown name (with the nearest known one), a value of the wrong kind.
fn parse_file(path: &Path, text: &str) -> Result<Vec<(&'static Key, Value)>> {
    let table: toml::Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))?;
    let mut values = Vec::new();
    for (name, value) in &table {
        let Some(key) = keys::find(name) else {
            let nearest = keys::nearest(name);
            bail!(
                "{}: unknown setting '{name}'; did you mean '{nearest}'?",
                path.display()
            );
        };
        match key.kind.parse_toml(value) {
            Ok(value) => values.push((key, value)),
            Err(reason) => bail!("{}: {name}: {reason}", path.display()),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config> {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let variables: std::collections::HashMap<_, _> = variables.iter().copied().collect();
        let environment = |name: &str| match name {
            "HOME" => Some(OsString::from("/home/ada")),
            _ => variables.get(name).map(OsString::from),
        };
        let flags = flags.iter().map(|(name, text)| {
            let key = keys::find(name).unwrap();
            (key, key.kind.parse(text).unwrap())
        });
        Config::gather(Some(&path), &environment, flags.collect())
    }

    #[test]
    fn later_places_win_and_are_named() {
        let port = |config: &Config| (config.value("port").cloned(), config.source("port").clone());
        let config = gather("", &[], &[]).unwrap();
        assert_eq!(port(&config), (Some(Value::Number(7878)), Source::Default));
        let config = gather("port = 1", &[], &[]).unwrap();
        assert_eq!(port(&config).0, Some(Value::Number(1)));
        assert!(matches!(port(&config).1, Source::File(_)));
        let config = gather("port = 1", &[("RUSTYGPT_PORT", "2")], &[]).unwrap();
        let variable = Source::Variable("RUSTYGPT_PORT".to_owned());
        assert_eq!(port(&config), (Some(Value::Number(2)), variable));
        let config = gather("port = 1", &[("RUSTYGPT_PORT", "2")], &[("port", "3")]).unwrap();
        assert_eq!(
            port(&config),
            (Some(Value::Number(3)), Source::Flag("port"))
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_that_helps() {
        let error = gather("prot = 80", &[], &[]).unwrap_err().to_string();
        assert!(
            error.contains("'prot'") && error.contains("'port'"),
            "{error}"
        );
    }

    #[test]
    fn wrong_values_name_their_place() {
        let error = gather("port = \"many\"", &[], &[]).unwrap_err().to_string();
        assert!(
            error.contains("config.toml") && error.contains("port"),
            "{error}"
        );
        let error = gather("", &[("RUSTYGPT_SLOTS", "0")], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("RUSTYGPT_SLOTS"), "{error}");
    }

    #[test]
    fn our_own_variable_wins_over_that_of_others() {
        let config = gather(
            "",
            &[
                ("HF_ENDPOINT", "http://a"),
                ("RUSTYGPT_HF_ENDPOINT", "http://b"),
            ],
            &[],
        );
        assert_eq!(
            config.unwrap().value("hf_endpoint"),
            Some(&Value::Text("http://b".to_owned()))
        );
    }

    #[test]
    fn where_a_secret_lies_is_shown() {
        let config = gather("api_key = \"file:/run/key\"", &[("HF_TOKEN", "env:X")], &[]).unwrap();
        let shown = config.show();
        for (name, place) in [("api_key", "file:/run/key"), ("hf_token", "env:X")] {
            assert!(shown.iter().any(|line| line.0 == name && line.1 == place));
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let config = gather("api_key = \"s3cret\"", &[("HF_TOKEN", "t0ken")], &[]).unwrap();
        let shown = format!("{:?}", config.show());
        assert!(
            !shown.contains("s3cret") && !shown.contains("t0ken"),
            "{shown}"
        );
    }
}
