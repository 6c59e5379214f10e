//! The model that ships with the program, for a computer that has no other.

use crate::config::Settings;
use crate::config::settings::ModelChoice;
use rustygpt_orchestrator::models::Models;
use std::path::{Path, PathBuf};

/// Its id.
pub(crate) const ID: &str = "rustygpt-starter";
const FILE: &str = "rustygpt-starter-q8_0.gguf";
/// The value of the setting `starter` that says to do without.
const NONE: &str = "none";

/// What people are told when nothing else answers.
pub(crate) const BANNER: &str = "\
answering with rustygpt-starter, the small built-in model: it knows RustyGPT and the basics of survival and first aid.
For more get a bigger model, then start the server again: rustygpt pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";

/// The built-in model, if it came with this program or the settings name one.
pub(crate) fn find(settings: &Settings) -> Option<ModelChoice> {
    let path = match &settings.starter {
        Some(path) if path == Path::new(NONE) => None,
        Some(path) => Some(path.clone()),
        None => {
            // Its real place, where a link was started.
            let program = std::env::current_exe().and_then(std::fs::canonicalize);
            let mut places = program.map(|program| places(&program)).unwrap_or_default();
            places.push(settings.models_dir.join(FILE));
            places.into_iter().find(|place| place.is_file())
        }
    };
    path.map(|path| ModelChoice {
        path,
        id: Some(ID.to_owned()),
    })
}

/// Whether a file is the built-in model, as its name says.
pub(crate) fn is_it(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == FILE)
}

/// Whether the built-in model is the only one there is.
pub(crate) fn is_alone(models: &Models) -> bool {
    let mut ids = models.overview().map(|overview| overview.about.id.as_str());
    ids.next() == Some(ID) && ids.next().is_none()
}

/// Where the model lies beside a program of that path: next to it, where packages put it, or in
/// the checkout that the program was built in.
fn places(program: &Path) -> Vec<PathBuf> {
    let mut folders = program.ancestors().skip(1);
    let Some(own) = folders.next() else {
        return Vec::new();
    };
    let mut places = vec![own.join(FILE)];
    if let Some(prefix) = own.parent() {
        places.push(prefix.join("share/rustygpt/models").join(FILE));
    }
    let checkouts = folders.filter(|folder| folder.join("rustygpt-cli/Cargo.toml").is_file());
    places.extend(checkouts.map(|folder| folder.join("models/starter").join(FILE)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_the_program_in_packages_and_in_the_checkout() {
        let scratch = tempfile::tempdir().unwrap();
        let checkout = scratch.path().join("source");
        std::fs::create_dir_all(checkout.join("rustygpt-cli")).unwrap();
        std::fs::write(checkout.join("rustygpt-cli/Cargo.toml"), "").unwrap();
        let found = places(&checkout.join("target/release/rustygpt"));
        let expected = [
            "target/release",
            "target/share/rustygpt/models",
            "models/starter",
        ];
        assert_eq!(
            found,
            expected.map(|folder| checkout.join(folder).join(FILE))
        );
    }
}
