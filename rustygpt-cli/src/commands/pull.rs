//! `rustygpt pull`: a model from Hugging Face or a web address into the models folder.

use crate::arguments::PullArguments;
use crate::config::Settings;
use crate::download::hub::{self, Hub};
use crate::download::origin::{self, Origin};
use crate::download::requests::Credential;
use crate::download::transfer::{self, Outcome, Wanted, is_digest};
use crate::network;
use crate::output::{self, human_bytes};
use crate::secret::Secret;
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::process::ExitCode;

pub(crate) async fn run(settings: &Settings, arguments: PullArguments) -> Result<ExitCode> {
    let origin = origin::parse(&arguments.source)?;
    let sha256 = arguments.sha256.map(|digest| digest.to_lowercase());
    if sha256.as_deref().is_some_and(|digest| !is_digest(digest)) {
        bail!("--sha256 takes 64 hexadecimal digits");
    }
    if settings.offline {
        bail!("'pull' needs the network, which the setting offline forbids");
    }
    let client = network::outside()?;
    let wanted = match origin {
        Origin::Address(url) => vec![Wanted {
            path: settings.models_dir.join(origin::file_name(&url)?),
            url,
            credential: None,
            size: None,
            sha256,
        }],
        Origin::Repository { name, quantization } => {
            if sha256.is_some() {
                bail!("--sha256 is for addresses; a repository brings its own digests");
            }
            let endpoint = &settings.hf_endpoint;
            let token = settings.hf_token.as_ref().map(Secret::reveal).transpose()?;
            let hub = Hub {
                client: &client,
                endpoint,
                credential: token.map(|token| Credential {
                    token,
                    origin: endpoint.origin(),
                }),
            };
            let files = hub.list(&name, &arguments.revision).await?;
            let folder = settings.models_dir.join(origin::safe_path(&name)?);
            let mut wanted = Vec::new();
            for file in hub::choose(&files, quantization.as_deref())? {
                wanted.push(Wanted {
                    url: hub.file(&name, &arguments.revision, &file.path)?,
                    credential: hub.credential.clone(),
                    path: folder.join(origin::safe_path(&file.path)?),
                    size: Some(file.size),
                    sha256: file.sha256,
                });
            }
            wanted
        }
    };
    for file in &wanted {
        let bar = progress_bar(&file.path, file.size);
        let outcome = transfer::fetch(&client, file, &bar).await;
        bar.finish_and_clear();
        let remark = match outcome? {
            Outcome::Present => "is here already",
            Outcome::Proved => "fetched, its SHA-256 digest is right",
            Outcome::Unproved => "fetched; nobody says what its digest should be",
        };
        let size = file.path.metadata().map_or(0, |metadata| metadata.len());
        output::remark(&format!(
            "{}: {remark} ({})",
            file.path.display(),
            human_bytes(size)
        ));
    }
    // The answer: what to give to `run` and `serve --model`.
    if let Some(model) = model_path(&wanted) {
        output::line(&model.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The file or folder that is the model.
fn model_path(wanted: &[Wanted]) -> Option<&Path> {
    let first = wanted.first()?;
    let is_directory = wanted
        .iter()
        .any(|file| file.path.extension() == Some("safetensors".as_ref()))
        && wanted.len() > 1;
    if is_directory {
        first.path.parent()
    } else {
        Some(&first.path)
    }
}

fn progress_bar(path: &Path, size: Option<u64>) -> ProgressBar {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let template = match size {
        Some(_) => "{msg}  {bar:30}  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{msg}  {spinner}  {bytes}  {bytes_per_sec}",
    };
    let bar = size
        .map_or_else(ProgressBar::new_spinner, ProgressBar::new)
        .with_message(name);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
