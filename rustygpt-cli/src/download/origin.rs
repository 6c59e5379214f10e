//! What `pull` was asked for, and which local names it may lead to.

use anyhow::{Result, bail};
use std::path::{Component, Path, PathBuf};
use url::Url;

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A repository of Hugging Face, `organisation/name`.
    Repository {
        /// `organisation/name`.
        name: String,
        /// Which of its quantisations, for example `Q4_K_M`.
        quantization: Option<String>,
    },
    /// One file anywhere.
    Address(Url),
}

/// Reads what a person wrote: `org/name`, `org/name:QUANT`, the same behind `hf.co/` or the
/// hub's address, or the address of a file.
///
/// # Errors
/// A text that is none of these.
pub(crate) fn parse(text: &str) -> Result<Origin> {
    let hub = [
        "https://huggingface.co/",
        "https://hf.co/",
        "huggingface.co/",
        "hf.co/",
    ];
    let name = hub
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let (repository, quantization) = match name.split_once(':') {
        Some((repository, quantization)) => (repository, Some(quantization)),
        None => (name, None),
    };
    let is_word = |word: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !word.is_empty() && word.chars().all(is_allowed) && !word.starts_with('.')
    };
    let parts: Vec<&str> = repository.trim_end_matches('/').split('/').collect();
    if let [organisation, model] = parts[..]
        && is_word(organisation)
        && is_word(model)
        && quantization.is_none_or(is_word)
    {
        return Ok(Origin::Repository {
            name: format!("{organisation}/{model}"),
            quantization: quantization.map(str::to_owned),
        });
    }
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(Origin::Address(url))
        }
        _ => bail!(
            "'{text}' is neither a repository (org/name or org/name:Q4_K_M) nor an http(s) address"
        ),
    }
}

/// A path that stays below the folder it is joined to, from a name the other side chose.
///
/// # Errors
/// A name that leads elsewhere or that a file system reads in its own way.
pub(crate) fn safe_path(name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    let is_plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    let is_odd =
        |c: char| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let has_hidden = name
        .split('/')
        .any(|part| part.is_empty() || part.starts_with('.'));
    if !path.components().all(is_plain) || name.contains(is_odd) || has_hidden || name.len() > 512 {
        bail!("the file name {name:?} is not one we write to");
    }
    Ok(path.to_owned())
}

/// The local name of the file at an address: the last part of its path.
///
/// # Errors
/// An address without a file name, or with one that [`safe_path`] refuses.
pub(crate) fn file_name(url: &Url) -> Result<PathBuf> {
    let last = url
        .path_segments()
        .and_then(|mut parts| parts.next_back())
        .unwrap_or_default();
    // Only spaces are worth decoding; every other escape would be an odd name.
    let name = last.replace("%20", " ");
    if name.is_empty() || name.contains('%') {
        bail!("{url} does not end with the name of a file");
    }
    safe_path(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_addresses_are_told_apart() {
        let repository = |name: &str, quantization: Option<&str>| Origin::Repository {
            name: name.to_owned(),
            quantization: quantization.map(str::to_owned),
        };
        for (text, origin) in [
            ("org/name", repository("org/name", None)),
            ("org/name:Q4_K_M", repository("org/name", Some("Q4_K_M"))),
            ("hf.co/org/name:Q8_0", repository("org/name", Some("Q8_0"))),
            (
                "https://huggingface.co/org/name",
                repository("org/name", None),
            ),
        ] {
            assert_eq!(parse(text).unwrap(), origin, "{text}");
        }
        for text in ["https://host/a/b.gguf", "http://127.0.0.1:1/m.gguf"] {
            assert_eq!(parse(text).unwrap(), Origin::Address(text.parse().unwrap()));
        }
        for text in [
            "name",
            "../etc",
            "org/../x",
            "a/b/c",
            "ftp://host/file",
            "",
            "org/name:",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_never_leave_the_folder() {
        for name in [
            "../a",
            "/etc/passwd",
            "a/../../b",
            "a\\..\\b",
            "",
            "a//b",
            "./a",
            "C:x",
            "a\0b",
            ".ssh/a",
            "a/..",
            "..",
        ] {
            assert!(safe_path(name).is_err(), "{name:?}");
        }
        assert_eq!(
            safe_path("Q4/model-00001-of-2.gguf").unwrap(),
            Path::new("Q4/model-00001-of-2.gguf")
        );
        for address in ["http://h/", "http://h/a/%2e%2e%2fb", "http://h/a/..%2fb"] {
            assert!(file_name(&address.parse().unwrap()).is_err(), "{address}");
        }
        let url = "http://h/a/b.gguf?download=true".parse().unwrap();
        assert_eq!(file_name(&url).unwrap(), Path::new("b.gguf"));
    }
}
