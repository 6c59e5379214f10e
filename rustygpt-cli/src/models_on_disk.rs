//! The models of this computer as commands see them: our own folder, Ollama's and LM Studio's.

use crate::config::Settings;
use crate::config::settings::ModelChoice;
use crate::starter;
use rustygpt_model::candle::Footprint;
use rustygpt_model::registry::{self, FoundModel};
use std::path::Path;

/// Larger only if a person says so.
const LARGEST_CACHE: u64 = 16 << 30;
/// Where the system does not tell what there is.
const UNKNOWN_MACHINE_CACHE: u64 = 2 << 30;

/// Every model on this disk, ours first.
pub(crate) fn everywhere(settings: &Settings) -> Vec<FoundModel> {
    let mut found = registry::scan_folder(&settings.models_dir);
    found.extend(registry::scan_ollama(&settings.ollama_models));
    found.extend(registry::scan_lm_studio(&settings.lm_studio_models));
    found
}

/// The models of our own folder, as `serve` takes them.
pub(crate) fn in_folder(folder: &Path) -> Vec<ModelChoice> {
    let found = registry::scan_folder(folder).into_iter();
    found
        .map(|model| ModelChoice {
            id: Some(if starter::is_it(&model.path) {
                starter::ID.to_owned()
            } else {
                model.id
            }),
            path: model.path,
        })
        .collect()
}

/// What a model is called where nobody chose: its file's stem, or its folder's name.
pub(crate) fn default_id(path: &Path) -> String {
    // `.` has no name of its own.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = if path.is_dir() {
        absolute.file_name()
    } else {
        absolute.file_stem()
    };
    let name = name.unwrap_or_default().to_string_lossy();
    without_part_number(&name).to_owned()
}

/// A stem without the `-00001-of-00003` of a split file.
pub(crate) fn without_part_number(stem: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if let Some((rest, count)) = stem.rsplit_once("-of-")
        && let Some((base, number)) = rest.rsplit_once('-')
        && is_number(count)
        && is_number(number)
    {
        return base;
    }
    stem
}

/// Bytes for the key/value cache of a model that may take `free` bytes: what the person said, else
/// half of what the weights leave, or one part of `share` equal ones of that.
pub(crate) fn cache_bytes(
    settings: &Settings,
    footprint: &Footprint,
    free: Option<u64>,
    share: u64,
) -> u64 {
    if let Some(bytes) = settings.kv_memory {
        return bytes;
    }
    let Some(free) = free else {
        return UNKNOWN_MACHINE_CACHE;
    };
    let left = free.saturating_sub(footprint.with_cache(0));
    let part = left / 2 / share.max(1);
    part.max(footprint.least_cache_bytes).min(LARGEST_CACHE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_stems_and_folders() {
        for (path, id) in [
            ("/m/tiny.Q4_K_M.gguf", "tiny.Q4_K_M"),
            ("/m/big-00001-of-00003.gguf", "big"),
            ("/m/one-of-a-kind.gguf", "one-of-a-kind"),
        ] {
            assert_eq!(default_id(Path::new(path)), id);
        }
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("Qwen2.5-0.5B");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(default_id(&folder), "Qwen2.5-0.5B");
    }
}
