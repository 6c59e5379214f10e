//! [`IssuerChoice`]: an issuer as one writes it, `github; client=Iv1.0a; secret=env:GITHUB_SECRET`.
//!
//! A secret is named and not written: it stands in a variable, a file or the keyring.

use crate::secret::Reference;
use anyhow::{Context as _, Result, bail};
use rustygpt_orchestrator::accounts::{IssuerKind, IssuerSettings, Secret};
use std::path::{Path, PathBuf};
use url::Url;

const GITHUB: &str = "https://github.com";
const GITHUB_API: &str = "https://api.github.com";
const APPLE: &str = "https://appleid.apple.com";

/// An issuer, before its secret was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IssuerChoice {
    id: String,
    fields: Vec<(String, String)>,
    home: PathBuf,
}

/// The fields there are, of all kinds.
const FIELDS: [&str; 9] = [
    "kind", "name", "client", "secret", "url", "api", "team", "key-id", "key",
];

impl IssuerChoice {
    /// Reads `ID; FIELD=VALUE; …`. `home` is what `~/` stands for.
    ///
    /// # Errors
    /// An unknown field, one that is there twice, or a secret that is written out.
    pub(crate) fn read(text: &str, home: &Path) -> Result<Self> {
        let mut parts = text.split(';').map(str::trim);
        let id = parts.next().unwrap_or_default().to_owned();
        let mut fields: Vec<(String, String)> = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            // Never repeats a value: it may be a secret that should not stand here.
            let Some((name, value)) = part.split_once('=') else {
                bail!("{id}: a part is not FIELD=VALUE");
            };
            let (name, value) = (name.trim(), value.trim());
            if !FIELDS.contains(&name) {
                bail!(
                    "{id}: unknown field '{name}'; there are: {}",
                    FIELDS.join(", ")
                );
            }
            if fields.iter().any(|(known, _)| known == name) {
                bail!("{id}: '{name}' is there twice");
            }
            if ["secret", "key"].contains(&name) {
                place(value, home).with_context(|| format!("{id}: {name}"))?;
            }
            fields.push((name.to_owned(), value.to_owned()));
        }
        let home = home.to_owned();
        Ok(Self { id, fields, home })
    }

    /// The issuer with its secret.
    ///
    /// # Errors
    /// A field that is missing or no address, a secret that is not where it should be.
    pub(crate) fn settings(&self) -> Result<IssuerSettings> {
        let id = &self.id;
        let (kind, name) = match self.field("kind").unwrap_or(id) {
            "github" => (self.github(), "GitHub"),
            "apple" => (self.apple(), "Apple"),
            _ => (self.openid(), id.as_str()),
        };
        let settings = kind.and_then(|kind| {
            Ok(IssuerSettings {
                id: id.clone(),
                name: self.field("name").unwrap_or(name).to_owned(),
                client: self.needed("client")?.to_owned(),
                kind,
            })
        });
        settings.with_context(|| format!("the issuer '{id}'"))
    }

    fn github(&self) -> Result<IssuerKind> {
        let web = self.field("url").unwrap_or(GITHUB).trim_end_matches('/');
        // A GitHub Enterprise has its interface below its pages, unless it is said otherwise.
        let api = match self.field("api") {
            Some(api) => api.to_owned(),
            None if web == GITHUB => GITHUB_API.to_owned(),
            None => format!("{web}/api/v3"),
        };
        Ok(IssuerKind::GitHub {
            web: address(web)?,
            api: address(&api)?,
            secret: self.secret("secret")?,
        })
    }

    fn apple(&self) -> Result<IssuerKind> {
        Ok(IssuerKind::Apple {
            issuer: self.field("url").unwrap_or(APPLE).to_owned(),
            team: self.needed("team")?.to_owned(),
            key_id: self.needed("key-id")?.to_owned(),
            key: self.secret("key")?,
        })
    }

    fn openid(&self) -> Result<IssuerKind> {
        Ok(IssuerKind::OpenId {
            issuer: self.needed("url")?.to_owned(),
            secret: match self.field("secret") {
                Some(_) => Some(self.secret("secret")?),
                None => None,
            },
        })
    }

    fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn needed(&self, name: &str) -> Result<&str> {
        let value = self.field(name).filter(|value| !value.is_empty());
        value.with_context(|| format!("'{name}' is missing"))
    }

    fn secret(&self, name: &str) -> Result<Secret> {
        let place = place(self.needed(name)?, &self.home)?;
        Ok(Secret::new(place.reveal()?))
    }
}

/// Where a secret lies. `home` is what `~/` stands for.
///
/// # Errors
/// A secret that is written out.
fn place(text: &str, home: &Path) -> Result<Reference> {
    Reference::read(text, home)?.context(
        "name the secret as env:VARIABLE, file:PATH or keyring:SERVICE/NAME, and do not write it here",
    )
}

fn address(text: &str) -> Result<Url> {
    Url::parse(text).with_context(|| format!("'{text}' is not an address like https://name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<IssuerSettings> {
        IssuerChoice::read(text, Path::new("/home/ada"))?.settings()
    }

    #[test]
    fn each_kind_is_written_in_a_line() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("secret");
        std::fs::write(&file, "s3cret\n").unwrap();
        let file = file.display();
        let github = settings(&format!("github; client=Iv1; secret=file:{file}")).unwrap();
        let shown = format!("{github:?}");
        assert_eq!(
            (github.id.as_str(), github.name.as_str()),
            ("github", "GitHub")
        );
        assert!(
            shown.contains("api.github.com") && !shown.contains("s3cret"),
            "{shown}"
        );
        let text = format!(
            "work; kind=github; name=Work; client=c; url=https://git.example/; secret=file:{file}"
        );
        let enterprise = format!("{:?}", settings(&text).unwrap());
        assert!(enterprise.contains("/api/v3"), "{enterprise}");
        let apple = format!("apple; client=a; team=t; key-id=k; key=file:{file}");
        let apple = settings(&apple).unwrap();
        assert!(matches!(apple.kind, IssuerKind::Apple { .. }));
        let company = settings("company; name=Our company; client=c; url=https://login.example");
        let company = company.unwrap();
        assert_eq!(company.name, "Our company");
        let public = IssuerKind::OpenId {
            issuer: "https://login.example".to_owned(),
            secret: None,
        };
        assert_eq!(format!("{:?}", company.kind), format!("{public:?}"));
    }

    #[test]
    fn what_is_missing_or_written_out_is_told_and_not_repeated() {
        for (text, word) in [
            ("github; client=c", "secret"),
            ("github; secret=env:X", "RUSTYGPT_NO_SUCH"),
            ("github; client=c; secret=s3cret", "env:VARIABLE"),
            ("apple; client=c; team=t; key=env:X; key=env:X", "twice"),
            ("company; client=c", "url"),
            ("company; s3cret", "FIELD=VALUE"),
            ("company; colour=s3cret", "colour"),
        ] {
            let text = text.replace("env:X", "env:RUSTYGPT_NO_SUCH");
            let error = format!("{:#}", settings(&text).unwrap_err());
            assert!(
                error.contains(word) && !error.contains("s3cret"),
                "{text}: {error}"
            );
        }
    }
}
