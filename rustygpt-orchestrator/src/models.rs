//! The models that are loaded, and the names they answer to.

use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use rustygpt_model::contract::ModelDescription;
use rustygpt_model::engine::AnyModel;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A model and what the server knows of it beside its description.
#[derive(Clone)]
pub struct Entry {
    /// The model.
    pub model: AnyModel,
    /// When it was loaded, in seconds since 1970.
    pub created: u64,
    /// Names the model file and this build, as `system_fingerprint` does.
    pub fingerprint: String,
}

/// A name in the list of models.
#[derive(Clone)]
pub struct Listed<'a> {
    /// The name to ask for.
    pub name: &'a str,
    /// The model it stands for.
    pub entry: &'a Entry,
}

/// The models that are loaded, by id and alias.
#[derive(Clone, Default)]
pub struct Models {
    entries: BTreeMap<String, Entry>,
    aliases: BTreeMap<String, String>,
}

/// Why a name cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is taken.
    #[error("two models would be called `{0}`; give one another name with --model PATH=ID")]
    Taken(String),
    /// An alias for a model that is not there.
    #[error("the alias `{alias}` stands for `{id}`, which is not loaded")]
    UnknownModel {
        /// The alias.
        alias: String,
        /// What it should stand for.
        id: String,
    },
}

impl Models {
    /// No models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model under its description's id. `created` is the time in seconds since 1970.
    ///
    /// # Errors
    /// [`NameError::Taken`] when a model or an alias has that name.
    pub fn insert(&mut self, model: impl Into<AnyModel>, created: u64) -> Result<(), NameError> {
        let model = model.into();
        let id = self.free_name(&model.description().id)?;
        let fingerprint = fingerprint(model.description());
        self.entries.insert(
            id,
            Entry {
                model,
                created,
                fingerprint,
            },
        );
        Ok(())
    }

    /// Gives a model another name.
    ///
    /// # Errors
    /// [`NameError`] when the name is taken or the model is not there.
    pub fn alias(&mut self, alias: &str, id: &str) -> Result<(), NameError> {
        if !self.entries.contains_key(id) {
            return Err(NameError::UnknownModel {
                alias: alias.to_owned(),
                id: id.to_owned(),
            });
        }
        let alias = self.free_name(alias)?;
        self.aliases.insert(alias, id.to_owned());
        Ok(())
    }

    fn free_name(&self, name: &str) -> Result<String, NameError> {
        match self.entry(name) {
            Some(_) => Err(NameError::Taken(name.to_owned())),
            None => Ok(name.to_owned()),
        }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        let id = self.aliases.get(name).map_or(name, String::as_str);
        self.entries.get(id)
    }

    /// The model of this name that `caller` may use for `action`; `None` when there is none, or
    /// none for them.
    #[must_use]
    pub fn find(&self, caller: &Caller, action: Action, name: &str) -> Option<&Entry> {
        let entry = self.entry(name)?;
        authorize(caller, action, Thing::Model(&entry.model.description().id)).ok()?;
        Some(entry)
    }

    /// The model of this name that `caller` may use for `action`.
    ///
    /// # Errors
    /// [`UseCaseError::ModelNotFound`] when there is none, or none for them.
    pub fn get(&self, caller: &Caller, action: Action, name: &str) -> Result<&Entry, UseCaseError> {
        self.find(caller, action, name)
            .ok_or_else(|| UseCaseError::ModelNotFound {
                name: name.to_owned(),
                available: self
                    .list(caller)
                    .map(|list| {
                        list.into_iter()
                            .map(|listed| listed.name.to_owned())
                            .collect()
                    })
                    .unwrap_or_default(),
            })
    }

    /// The error for a model that is not for what it was `wanted` for.
    pub(crate) fn wrong_kind(
        &self,
        caller: &Caller,
        entry: &Entry,
        wanted: &'static str,
    ) -> UseCaseError {
        let kind = entry.model.description().kind.name();
        let list = self.list(caller).unwrap_or_default();
        let others = list
            .into_iter()
            .filter(|listed| listed.entry.model.description().kind.name() != kind);
        UseCaseError::WrongKind {
            id: entry.model.description().id.clone(),
            kind,
            wanted,
            others: others.map(|listed| listed.name.to_owned()).collect(),
        }
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] when the caller may not see models.
    pub fn list(&self, caller: &Caller) -> Result<Vec<Listed<'_>>, UseCaseError> {
        authorize(caller, Action::View, Thing::Models)?;
        let ids = self
            .entries
            .iter()
            .map(|(name, entry)| Listed { name, entry });
        let aliases = self.aliases.iter().filter_map(|(alias, id)| {
            Some(Listed {
                name: alias,
                entry: self.entries.get(id)?,
            })
        });
        let mut list: Vec<Listed<'_>> = ids
            .chain(aliases)
            .filter(|listed| {
                let id = &listed.entry.model.description().id;
                authorize(caller, Action::View, Thing::Model(id)).is_ok()
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(b.name));
        Ok(list)
    }

    /// The models themselves, each once, sorted by id; for the parts of the server that serve
    /// nobody in particular.
    pub fn loaded(&self) -> impl Iterator<Item = &AnyModel> {
        self.entries.values().map(|entry| &entry.model)
    }

    /// Whether there is a model and every engine runs.
    #[must_use]
    pub fn are_ready(&self) -> bool {
        !self.entries.is_empty() && self.loaded().all(|model| model.status().stopped.is_none())
    }
}

fn fingerprint(description: &ModelDescription) -> String {
    let ModelDescription {
        id,
        architecture,
        quantization,
        parameters,
        weight_bytes,
        ..
    } = description;
    let build = env!("CARGO_PKG_VERSION");
    let identity =
        format!("{build}\n{id}\n{architecture}\n{quantization}\n{parameters}\n{weight_bytes}");
    let digest = Sha256::digest(identity.as_bytes());
    let short: String = digest
        .iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("fp_{short}")
}
