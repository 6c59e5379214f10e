//! Where a model keeps what it has read for the next start.

use crate::config::Settings;
use anyhow::{Context as _, Result};
use rustygpt_model::engine::PromptCache;
use rustygpt_model::weights::ModelFiles;
use rustygpt_utils::paths::create_private_folder;
use std::path::Path;
use std::time::Duration;

/// Nothing was asked for so long: a good moment to write.
const REST: Duration = Duration::from_secs(60);

/// Where the model called `id` keeps what it has read, if the settings say so. A folder that cannot
/// be made costs a warning and keeps nothing.
pub(super) fn prompt_cache(
    settings: &Settings,
    files: &ModelFiles,
    id: &str,
) -> Option<PromptCache> {
    let folder = settings.prompt_cache.as_deref()?;
    match in_folder(folder, settings.prompt_cache_size, files, id) {
        Ok(cache) => Some(cache),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(model.id = id, %error, "what this model reads is not kept");
            None
        }
    }
}

fn in_folder(folder: &Path, most_bytes: u64, files: &ModelFiles, id: &str) -> Result<PromptCache> {
    create_private_folder(folder).with_context(|| folder.display().to_string())?;
    // Two ids may become one name: each then finds a file of another model, and reads anew.
    let plain = |c: char| match c.is_ascii_alphanumeric() || "._-".contains(c) {
        true => c,
        false => '_',
    };
    let name: String = id.chars().map(plain).collect();
    Ok(PromptCache {
        file: folder.join(format!("{name}.prompts")),
        most_bytes,
        model: files.fingerprint()?,
        rest: REST,
    })
}
