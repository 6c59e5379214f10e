//! Secrets by reference: what the settings say is where a secret lies, and it is fetched when it is
//! needed.
//!
//! `env:NAME` is an environment variable, `file:PATH` the text of a file, `keyring:SERVICE/NAME` an
//! entry of the operating system's keyring. A setting may also hold the secret itself; that is
//! never shown.

use anyhow::{Context as _, Result, anyhow, bail};
use keyring_core::CredentialStore;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A longer file holds no secret.
const LONGEST: u64 = 64 << 10;

/// A secret, or where it lies.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// The secret itself.
    Itself(String),
    /// Where it lies.
    At(Reference),
}

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// In this environment variable.
    Variable(String),
    /// In this file, whose last line break is not part of it.
    File(PathBuf),
    /// In the operating system's keyring.
    Keyring {
        /// The program or service it is for.
        service: String,
        /// The name it has there.
        name: String,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself(_) => formatter.write_str("Secret(…)"),
            Self::At(reference) => write!(formatter, "Secret({reference})"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Keyring { service, name } => write!(formatter, "keyring:{service}/{name}"),
        }
    }
}

impl Secret {
    /// Reads a setting. `home` is what `~/` stands for.
    ///
    /// # Errors
    /// A reference to nothing.
    pub(crate) fn read(text: &str, home: &Path) -> Result<Self> {
        Ok(match Reference::read(text, home)? {
            Some(reference) => Self::At(reference),
            None => Self::Itself(text.to_owned()),
        })
    }

    /// The secret in the clear.
    ///
    /// # Errors
    /// Nothing lies where it should; the error names the place.
    pub(crate) fn reveal(&self) -> Result<String> {
        match self {
            Self::Itself(text) => Ok(text.clone()),
            Self::At(reference) => reference.reveal(),
        }
    }
}

impl Reference {
    /// Reads a reference; `None` for a text that is none.
    ///
    /// # Errors
    /// A reference to nothing.
    pub(crate) fn read(text: &str, home: &Path) -> Result<Option<Self>> {
        let Some((scheme, place)) = text.split_once(':') else {
            return Ok(None);
        };
        let reference = match scheme {
            "env" => Self::Variable(place.to_owned()),
            "file" => Self::File(match place.strip_prefix("~/") {
                Some(rest) => home.join(rest),
                None => PathBuf::from(place),
            }),
            "keyring" => {
                let parts = place.split_once('/');
                let (service, name) = parts
                    .filter(|(service, name)| !service.is_empty() && !name.is_empty())
                    .with_context(|| format!("'{text}' is not keyring:SERVICE/NAME"))?;
                Self::Keyring {
                    service: service.to_owned(),
                    name: name.to_owned(),
                }
            }
            _ => return Ok(None),
        };
        if place.is_empty() {
            bail!("'{text}' does not say where the secret lies");
        }
        Ok(Some(reference))
    }

    /// The secret that lies there.
    ///
    /// # Errors
    /// Nothing lies there; the error names the place.
    pub(crate) fn reveal(&self) -> Result<String> {
        self.reveal_with(os_keyring)
    }

    fn reveal_with(
        &self,
        keyring: impl FnOnce() -> keyring_core::Result<Arc<CredentialStore>> + Send,
    ) -> Result<String> {
        let secret = match self {
            Self::Variable(name) => std::env::var(name).map_err(|_| anyhow!("it is not set")),
            Self::File(path) => read_file(path),
            Self::Keyring { service, name } => from_keyring(service, name, keyring),
        };
        let secret = secret.with_context(|| format!("cannot get the secret {self}"))?;
        if secret.is_empty() {
            bail!("the secret {self} is empty");
        }
        Ok(secret)
    }
}

fn read_file(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Asks the keyring on a thread of its own: its client waits for the desktop, which it may not do on
/// a thread of the runtime.
fn from_keyring(
    service: &str,
    name: &str,
    keyring: impl FnOnce() -> keyring_core::Result<Arc<CredentialStore>> + Send,
) -> Result<String> {
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| keyring()?.build(service, name, None)?.get_password());
        asking.join()
    });
    let Ok(asked) = asked else {
        bail!("the keyring's client failed");
    };
    asked.map_err(|error| {
        anyhow!(match error {
            keyring_core::Error::NoEntry =>
                format!("the keyring has no entry '{name}' of the service '{service}'"),
            keyring_core::Error::BadEncoding(_) => "the entry is no text".to_owned(),
            keyring_core::Error::NoStorageAccess(cause) => {
                format!("the keyring is locked or refuses: {cause}")
            }
            error => format!(
                "this machine has no keyring that answers ({error}). Servers usually have none: \
                 put the secret into a file and write file:PATH, or into the environment and write \
                 env:NAME"
            ),
        })
    })
}

/// The keyring of this machine.
#[cfg(target_os = "linux")]
fn os_keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

/// The keyring of this machine.
#[cfg(target_os = "macos")]
fn os_keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

/// The keyring of this machine.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn os_keyring() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(keyring_core::Error::NoDefaultStore)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyring_core::mock;

    fn reference(text: &str) -> Reference {
        let read = Reference::read(text, Path::new("/home/ada"));
        read.unwrap().unwrap()
    }

    #[test]
    fn a_reference_reads_back_as_it_was_written() {
        for text in ["env:NAME", "file:/a/b", "keyring:rustygpt/hf/token"] {
            assert_eq!(reference(text).to_string(), text);
        }
        assert_eq!(reference("file:~/x").to_string(), "file:/home/ada/x");
        let home = Path::new("/home/ada");
        for plain in ["s3cret", "sk-a:b", "postgres://u:p@host/db", "sqlite:/a"] {
            assert!(matches!(
                Secret::read(plain, home).unwrap(),
                Secret::Itself(text) if text == plain
            ));
        }
        for wrong in [
            "env:",
            "file:",
            "keyring:",
            "keyring:a",
            "keyring:/b",
            "keyring:a/",
        ] {
            assert!(Secret::read(wrong, home).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        let secret = Secret::Itself("s3cret".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn the_keyring_is_asked_for_its_entry() {
        let store = mock::Store::new().unwrap();
        let store: Arc<CredentialStore> = store;
        let entry = store.build("rustygpt", "hf", None).unwrap();
        entry.set_password("s3cret").unwrap();
        let ask = |text| reference(text).reveal_with(|| Ok(Arc::clone(&store)));
        assert_eq!(ask("keyring:rustygpt/hf").unwrap(), "s3cret");
        let missing = format!("{:#}", ask("keyring:rustygpt/none").unwrap_err());
        assert!(
            missing.contains("keyring:rustygpt/none") && missing.contains("no entry"),
            "{missing}"
        );
        entry.set_password("").unwrap();
        assert!(ask("keyring:rustygpt/hf").is_err(), "an empty one is none");
    }

    #[test]
    fn without_a_keyring_the_error_names_the_way_out() {
        let none = || Err(keyring_core::Error::NoDefaultStore);
        let asked = reference("keyring:rustygpt/hf").reveal_with(none);
        let error = format!("{:#}", asked.unwrap_err());
        assert!(
            error.contains("file:PATH") && error.contains("env:NAME"),
            "{error}"
        );
    }

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let file = Reference::File(path.clone());
        assert!(file.reveal().is_err());
        for (text, secret) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(file.reveal().unwrap(), secret);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(file.reveal().is_err());
        assert!(reference("env:RUSTYGPT_TEST_NEVER_SET").reveal().is_err());
    }
}
