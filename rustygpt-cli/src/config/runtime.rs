//! The settings that count while the server runs: what the file, the environment and the flags say
//! of them. The store says the rest.

use super::{Config, Source};
use anyhow::{Result, bail};
use rustygpt_orchestrator::settings::{
    DEFINITIONS, FixedSetting, InvalidSetting, Kind, Layers, Place, find,
};
use serde_json::Value as Json;

/// What stands outside the store.
///
/// # Errors
/// A value that is none for its setting.
pub(crate) fn layers(config: &Config) -> Result<Layers> {
    let lines = config.show().into_iter();
    let fixed = lines.filter(|(name, ..)| find(name).is_none());
    let fixed = fixed.map(|(name, value, source)| FixedSetting {
        name: name.to_owned(),
        value,
        source,
    });
    let mut layers = Layers::new(fixed.collect());
    for setting in &DEFINITIONS {
        let place = match config.source(setting.name) {
            Source::Default => continue,
            Source::File(path) => Place::File(path.display().to_string()),
            Source::Variable(name) => Place::Environment(name.clone()),
            Source::Flag(name) => Place::Flag((*name).to_owned()),
        };
        let Some(value) = config.value(setting.name) else {
            continue;
        };
        let text = value.plain();
        match layers.give(setting.name, json(setting.kind, &text), place) {
            Ok(()) => {}
            Err(InvalidSetting::Value(reason) | InvalidSetting::Pinned(reason)) => bail!(reason),
            Err(InvalidSetting::Unknown) => bail!("there is no setting {}", setting.name),
        }
    }
    Ok(layers)
}

/// A value as a person writes it, as JSON. What is none for its setting is found out later.
pub(crate) fn json(kind: Kind, text: &str) -> Json {
    match kind {
        Kind::Word(_) => Json::from(text),
        Kind::Number(..) | Kind::Fraction(..) => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::from(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{self, Group};
    use super::super::value;
    use super::*;

    #[test]
    fn every_setting_of_the_store_may_stand_elsewhere_too() {
        for setting in &DEFINITIONS {
            let key = keys::find(setting.name).unwrap();
            assert!(!key.is_secret && key.group != Group::Hidden);
            assert_eq!(key.help, setting.help, "{}", setting.name);
            let default = key
                .default
                .map_or(Json::Null, |text| json(setting.kind, text));
            assert_eq!(default, setting.default_value(), "{}", setting.name);
            match (setting.kind, key.kind) {
                (Kind::Word(ours), value::Kind::Choice(theirs)) => assert_eq!(ours, theirs),
                (Kind::Number(least, most), value::Kind::Number(from, to)) => {
                    assert_eq!((least, most), (from, to));
                }
                (Kind::Fraction(least, most), value::Kind::Fraction(from, to)) => {
                    assert_eq!((least, most), (from, to));
                }
                kinds => panic!("{}: {kinds:?}", setting.name),
            }
        }
    }
}
