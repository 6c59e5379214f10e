//! Which files of a Hugging Face repository make up the model that was asked for.

use super::origin::safe_path;
use super::requests::{self, Credential};
use crate::models_on_disk::without_part_number;
use anyhow::{Context as _, Result, bail};
use reqwest::Client;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::collections::BTreeMap;
use url::Url;

/// A repository's listing beyond this is not a model.
const MOST_LISTING_BYTES: usize = 16 << 20;
/// Taken in this order where nobody says which: small without a loss that a person notices first.
const PREFERENCE: [&str; 9] = [
    "q4_k_m", "q4_k_s", "q5_k_m", "q4_0", "q6_k", "q8_0", "bf16", "f16", "f32",
];

/// One file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepositoryFile {
    /// Its path in the repository.
    pub(crate) path: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its SHA-256 digest, which the hub knows of large files.
    pub(crate) sha256: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

/// A hub and what we show it.
pub(crate) struct Hub<'a> {
    pub(crate) client: &'a Client,
    pub(crate) endpoint: &'a Url,
    pub(crate) credential: Option<Credential>,
}

impl Hub<'_> {
    /// All files of a repository at a revision.
    ///
    /// # Errors
    /// No connection, no such repository or no right to see it.
    pub(crate) async fn list(&self, name: &str, revision: &str) -> Result<Vec<RepositoryFile>> {
        let mut url = self.address(&["api", "models"], name, &["tree", revision])?;
        url.set_query(Some("recursive=true"));
        let mut files = Vec::new();
        let mut next = Some(url);
        while let Some(url) = next {
            let mut arrived = requests::get(
                self.client,
                &url,
                self.credential.as_ref(),
                &HeaderMap::new(),
            )
            .await?;
            let status = arrived.response.status();
            match status.as_u16() {
                200 => {}
                401 | 403 | 404 => bail!(
                    "{} has no model {name} (revision {revision}) that may be seen; a private or \
                     gated one needs a token in HF_TOKEN",
                    requests::place(self.endpoint)
                ),
                _ => bail!("{} answers {status}", requests::place(&url)),
            }
            next = arrived
                .header("link")
                .and_then(|link| next_page(&url, link));
            let mut body = Vec::new();
            while let Some(chunk) = arrived.response.chunk().await? {
                if body.len() + chunk.len() > MOST_LISTING_BYTES {
                    bail!("the list of files of {name} is too long");
                }
                body.extend_from_slice(&chunk);
            }
            let entries: Vec<Entry> = serde_json::from_slice(&body)
                .with_context(|| format!("{} is no list of files", requests::place(&url)))?;
            let is_file = |entry: &Entry| entry.kind == "file";
            files.extend(
                entries
                    .into_iter()
                    .filter(is_file)
                    .map(RepositoryFile::from),
            );
        }
        Ok(files)
    }

    /// Where a file of a repository is downloaded.
    ///
    /// # Errors
    /// An endpoint that no path can be put behind.
    pub(crate) fn file(&self, name: &str, revision: &str, path: &str) -> Result<Url> {
        let parts: Vec<&str> = ["resolve", revision]
            .into_iter()
            .chain(path.split('/'))
            .collect();
        self.address(&[], name, &parts)
    }

    fn address(&self, before: &[&str], name: &str, after: &[&str]) -> Result<Url> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} is no address of a hub", self.endpoint))?
            .pop_if_empty()
            .extend(before)
            .extend(name.split('/'))
            .extend(after);
        Ok(url)
    }
}

impl From<Entry> for RepositoryFile {
    fn from(entry: Entry) -> Self {
        let size = entry.lfs.as_ref().map_or(entry.size, |file| file.size);
        let sha256 = entry
            .lfs
            .map(|file| file.oid.trim_start_matches("sha256:").to_lowercase());
        Self {
            path: entry.path,
            size,
            sha256,
        }
    }
}

/// The address of the listing's next page, if it is at the same place.
fn next_page(url: &Url, link: &str) -> Option<Url> {
    let target = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let target = target.split_once('<')?.1.split_once('>')?.0;
    url.join(target)
        .ok()
        .filter(|next| next.origin() == url.origin())
}

/// The files to download: one quantisation's GGUF (all parts of it), else the safetensors with
/// what belongs to them.
///
/// # Errors
/// A repository without a model, or without this quantisation (the error names those it has).
pub(crate) fn choose(
    files: &[RepositoryFile],
    quantization: Option<&str>,
) -> Result<Vec<RepositoryFile>> {
    let mut variants: BTreeMap<String, Vec<&RepositoryFile>> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.path.to_lowercase().ends_with(".gguf"))
    {
        let name = file.path.to_lowercase();
        // Vision projectors and importance matrices are no language models.
        if !name.contains("mmproj") && !name.contains("imatrix") {
            variants.entry(variant(&name)).or_default().push(file);
        }
    }
    let chosen = if variants.is_empty() {
        if let Some(quantization) = quantization {
            bail!("this repository has no GGUF files, so no {quantization}; ask without it");
        }
        safetensors(files)?
    } else {
        let wanted = quantization.map(str::to_lowercase);
        let find = |wanted: &str| {
            let matching = variants.iter().filter(|(name, _)| has_part(name, wanted));
            matching
                .min_by_key(|(name, _)| name.len())
                .map(|(_, files)| files.clone())
        };
        let smallest = || {
            let size = |files: &Vec<&RepositoryFile>| files.iter().map(|f| f.size).sum::<u64>();
            variants.values().min_by_key(|files| size(files)).cloned()
        };
        match &wanted {
            Some(wanted) => find(wanted).with_context(|| {
                let names: Vec<&str> = variants.keys().map(String::as_str).collect();
                format!("there is no {wanted} among: {}", names.join(", "))
            })?,
            None => PREFERENCE
                .iter()
                .find_map(|name| find(name))
                .or_else(smallest)
                .unwrap_or_default(),
        }
    };
    for file in &chosen {
        safe_path(&file.path)?;
    }
    let mut chosen: Vec<RepositoryFile> = chosen.into_iter().cloned().collect();
    // The first part of a split file comes first.
    chosen.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(chosen)
}

fn safetensors(files: &[RepositoryFile]) -> Result<Vec<&RepositoryFile>> {
    let at_top = |file: &&RepositoryFile| !file.path.contains('/');
    if !files
        .iter()
        .filter(at_top)
        .any(|file| file.path.ends_with(".safetensors"))
    {
        bail!("this repository has neither GGUF nor safetensors files");
    }
    let endings = [".safetensors", ".json", ".jinja", ".model"];
    let belongs = |file: &&RepositoryFile| endings.iter().any(|end| file.path.ends_with(end));
    Ok(files.iter().filter(at_top).filter(belongs).collect())
}

/// A file's name without its ending and without the number of its part: what all parts share.
fn variant(name: &str) -> String {
    without_part_number(name.strip_suffix(".gguf").unwrap_or(name)).to_owned()
}

/// Whether `name` holds `part` between separators, so that `q4_k` is not found in `q4_k_m`.
fn has_part(name: &str, part: &str) -> bool {
    let is_separator = |c: char| matches!(c, '-' | '.' | '/');
    name.match_indices(part).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + part.len()..].chars().next();
        before.is_none_or(is_separator) && after.is_none_or(is_separator)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<RepositoryFile> {
        let file = |(i, name): (usize, &&str)| RepositoryFile {
            path: (*name).to_owned(),
            size: 100 + i as u64,
            sha256: None,
        };
        names.iter().enumerate().map(file).collect()
    }

    fn chosen(names: &[&str], quantization: Option<&str>) -> Result<Vec<String>> {
        let chosen = choose(&files(names), quantization)?;
        Ok(chosen.into_iter().map(|file| file.path).collect())
    }

    const MANY: [&str; 5] = [
        "m-q2_k.gguf",
        "m-q4_k_m.gguf",
        "m-q4_k_s.gguf",
        "m-mmproj-q4_k_m.gguf",
        "README.md",
    ];

    #[test]
    fn a_named_quantisation_is_taken_whatever_its_case() {
        assert_eq!(chosen(&MANY, Some("Q4_K_S")).unwrap(), ["m-q4_k_s.gguf"]);
        assert_eq!(chosen(&MANY, Some("q2_k")).unwrap(), ["m-q2_k.gguf"]);
    }

    #[test]
    fn without_a_name_the_usual_one_is_taken() {
        assert_eq!(chosen(&MANY, None).unwrap(), ["m-q4_k_m.gguf"]);
        assert_eq!(
            chosen(&["odd-b.gguf", "odd-a.gguf"], None).unwrap(),
            ["odd-b.gguf"]
        );
    }

    #[test]
    fn a_missing_quantisation_names_those_there_are() {
        let error = chosen(&MANY, Some("Q9")).unwrap_err().to_string();
        assert!(error.contains("m-q4_k_s"), "{error}");
        assert!(chosen(&MANY, Some("q4_k")).is_err(), "q4_k is not q4_k_m");
    }

    #[test]
    fn all_parts_of_a_split_file_come_along() {
        let names = [
            "Q8_0/m-00001-of-00002.gguf",
            "Q8_0/m-00002-of-00002.gguf",
            "Q4_0/m.gguf",
        ];
        assert_eq!(chosen(&names, Some("Q8_0")).unwrap(), names[..2]);
    }

    #[test]
    fn a_directory_of_safetensors_comes_with_what_belongs_to_it() {
        let names = [
            "model.safetensors",
            "config.json",
            "tokenizer.json",
            "original/x.safetensors",
            "a.png",
        ];
        assert_eq!(
            chosen(&names, None).unwrap(),
            ["config.json", "model.safetensors", "tokenizer.json"]
        );
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert!(chosen(&["../../m-q4_k_m.gguf"], None).is_err());
    }

    #[test]
    fn the_next_page_must_be_at_the_same_place() {
        let url = "https://hub/api?x=1".parse().unwrap();
        let next = |link: &str| next_page(&url, link).map(String::from);
        assert_eq!(
            next("</api?x=2>; rel=\"next\"").as_deref(),
            Some("https://hub/api?x=2")
        );
        assert_eq!(next("<https://evil/api>; rel=\"next\""), None);
    }
}
