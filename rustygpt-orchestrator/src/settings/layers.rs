//! Where values come from, and which of them counts.

use super::{DEFINITIONS, Definition, Policy, find};
use rustygpt_db::store::Setting;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A place outside the store where a value may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The configuration file, which the store overrides.
    File(String),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl Place {
    /// Whether the store cannot change what stands there.
    fn is_pinned(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "file {path}"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag(name) => write!(formatter, "flag --{name}"),
        }
    }
}

/// A setting that is read when the server starts, as people may see it: secrets are hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedSetting {
    /// Its name.
    pub name: String,
    /// Its value, or a word in its place.
    pub value: String,
    /// Where that comes from.
    pub source: String,
}

/// A setting as an administrator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where that comes from: `default`, `file …`, `store`, `environment …` or `flag …`.
    pub source: String,
    /// Grows with each change in the store; 0 while it is not there.
    pub revision: i64,
    /// Whether the store can change it now.
    pub is_changeable: bool,
}

/// Why a setting cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidSetting {
    /// There is none of that name.
    Unknown,
    /// The value is none for it; a sentence.
    Value(String),
    /// Something outside the store says what it is; a sentence.
    Pinned(String),
}

/// What was said outside the store.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    given: BTreeMap<&'static str, (Value, Place)>,
    fixed: Vec<FixedSetting>,
}

impl Layers {
    /// Nothing but the settings that are read at start.
    #[must_use]
    pub fn new(fixed: Vec<FixedSetting>) -> Self {
        Self {
            given: BTreeMap::new(),
            fixed,
        }
    }

    /// Takes over what stands in the winning one of the places outside the store.
    ///
    /// # Errors
    /// [`InvalidSetting`] for a name or a value that is none.
    pub fn give(&mut self, name: &str, value: Value, place: Place) -> Result<(), InvalidSetting> {
        let setting = find(name).ok_or(InvalidSetting::Unknown)?;
        setting.check(&value).map_err(InvalidSetting::Value)?;
        self.given.insert(setting.name, (value, place));
        Ok(())
    }

    /// Whether the store may take this value.
    ///
    /// # Errors
    /// [`InvalidSetting`].
    pub fn check(&self, name: &str, value: &Value) -> Result<&'static Definition, InvalidSetting> {
        let setting = self.check_name(name)?;
        setting.check(value).map_err(InvalidSetting::Value)?;
        Ok(setting)
    }

    /// Whether the store may say something of this setting.
    ///
    /// # Errors
    /// [`InvalidSetting`].
    pub fn check_name(&self, name: &str) -> Result<&'static Definition, InvalidSetting> {
        let Some(setting) = find(name) else {
            let is_fixed = self.fixed.iter().any(|setting| setting.name == name);
            return Err(if is_fixed {
                InvalidSetting::Pinned(format!(
                    "{name} is read when the server starts: set it in the configuration file, the \
                     environment or by a flag."
                ))
            } else {
                InvalidSetting::Unknown
            });
        };
        match self.given.get(setting.name) {
            Some((_, place)) if place.is_pinned() => Err(InvalidSetting::Pinned(format!(
                "{name} is set by the {place} of the server and cannot be changed here."
            ))),
            _ => Ok(setting),
        }
    }

    /// The settings that count, with those of the store.
    #[must_use]
    pub fn policy(&self, stored: &[Setting]) -> Policy {
        Policy::read(|name| match find(name) {
            Some(setting) => self.resolve(setting, stored).0,
            None => Value::Null,
        })
    }

    /// Every setting, with those of the store: first those that can be changed, then those that are
    /// read at start.
    #[must_use]
    pub fn shown(&self, stored: &[Setting]) -> Vec<ShownSetting> {
        let changeable = DEFINITIONS.iter().map(|setting| {
            let (value, source) = self.resolve(setting, stored);
            let kept = stored.iter().find(|kept| kept.name == setting.name);
            ShownSetting {
                name: setting.name.to_owned(),
                value,
                source,
                revision: kept.map_or(0, |kept| kept.revision),
                is_changeable: self.check_name(setting.name).is_ok(),
            }
        });
        let fixed = self.fixed.iter().map(|setting| ShownSetting {
            name: setting.name.clone(),
            value: Value::from(setting.value.clone()),
            source: setting.source.clone(),
            revision: 0,
            is_changeable: false,
        });
        changeable.chain(fixed).collect()
    }

    /// The value that counts, and where it comes from.
    fn resolve(&self, setting: &Definition, stored: &[Setting]) -> (Value, String) {
        let given = self.given.get(setting.name);
        if let Some((value, place)) = given.filter(|(_, place)| place.is_pinned()) {
            return (value.clone(), place.to_string());
        }
        let kept = stored.iter().find(|kept| kept.name == setting.name);
        let kept = kept.and_then(|kept| serde_json::from_str(&kept.value).ok());
        // One that this program cannot read, because a newer one wrote it, is left out.
        if let Some(value) = kept.filter(|value| setting.check(value).is_ok()) {
            return (value, "store".to_owned());
        }
        match given {
            Some((value, place)) => (value.clone(), place.to_string()),
            None => (setting.default_value(), "default".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, SignUp};
    use super::*;
    use rustygpt_db::store::Timestamp;
    use serde_json::json;

    fn stored(name: &str, value: &Value) -> Setting {
        Setting {
            name: name.to_owned(),
            value: value.to_string(),
            revision: 3,
            changed_at: Timestamp(0),
            changed_by: None,
        }
    }

    fn shown(layers: &Layers, stored: &[Setting], name: &str) -> ShownSetting {
        let mut all = layers.shown(stored).into_iter();
        all.find(|setting| setting.name == name).unwrap()
    }

    #[test]
    fn later_places_win_and_are_named() {
        let name = "requests_per_minute";
        let kept = [stored(name, &json!(3))];
        let mut layers = Layers::default();
        let of = |layers: &Layers, stored: &[Setting]| {
            let shown = shown(layers, stored, name);
            (
                layers.policy(stored).requests_per_minute,
                shown.source,
                shown.is_changeable,
            )
        };
        assert_eq!(of(&layers, &[]), (0, "default".to_owned(), true));
        let file = Place::File("config.toml".to_owned());
        layers.give(name, json!(2), file).unwrap();
        assert_eq!(of(&layers, &[]), (2, "file config.toml".to_owned(), true));
        assert_eq!(of(&layers, &kept), (3, "store".to_owned(), true));
        let variable = Place::Environment("VARIABLE".to_owned());
        layers.give(name, json!(4), variable).unwrap();
        let pinned = (4, "environment VARIABLE".to_owned(), false);
        assert_eq!(of(&layers, &kept), pinned);
        let flag = Place::Flag("requests-per-minute".to_owned());
        layers.give(name, json!(5), flag).unwrap();
        let pinned = (5, "flag --requests-per-minute".to_owned(), false);
        assert_eq!(of(&layers, &kept), pinned);
        let refused = layers.check(name, &json!(6));
        let Err(InvalidSetting::Pinned(reason)) = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains("flag --requests-per-minute"), "{reason}");
    }

    #[test]
    fn only_values_of_their_setting_are_taken() {
        let layers = Layers::new(vec![FixedSetting {
            name: "port".to_owned(),
            value: "7878".to_owned(),
            source: "default".to_owned(),
        }]);
        for setting in DEFINITIONS {
            let default = setting.default_value();
            assert!(default.is_null() || setting.check(&default).is_ok());
            let (least, most, beyond) = match setting.kind {
                Kind::Word(words) => (json!(words[0]), json!(words[1]), json!("OPEN")),
                Kind::Number(least, most) => (json!(least), json!(most), json!(most + 1)),
                Kind::Fraction(least, most) => (json!(least), json!(most), json!(most + 0.1)),
            };
            for good in [least, most] {
                assert!(layers.check(setting.name, &good).is_ok(), "{setting:?}");
            }
            for bad in [
                beyond,
                json!(null),
                json!(-1),
                json!([]),
                json!("5"),
                json!(1e300),
            ] {
                let refused = layers.check(setting.name, &bad);
                let Err(InvalidSetting::Value(reason)) = refused else {
                    panic!("{} = {bad}: {refused:?}", setting.name);
                };
                assert!(reason.contains(setting.name), "{reason}");
            }
        }
        let unknown = layers.check("sing_up", &json!("open"));
        assert_eq!(unknown, Err(InvalidSetting::Unknown));
        let at_start = layers.check("port", &json!(1));
        assert!(matches!(at_start, Err(InvalidSetting::Pinned(_))));
    }

    #[test]
    fn what_a_newer_program_wrote_is_left_out() {
        let kept = [
            stored("sign_up", &json!("by_lot")),
            stored("of_tomorrow", &json!(1)),
        ];
        let layers = Layers::default();
        assert_eq!(layers.policy(&kept).sign_up, SignUp::Closed);
        assert_eq!(shown(&layers, &kept, "sign_up").source, "default");
    }
}
