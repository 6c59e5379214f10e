//! The models there are, the names they answer to, and which of them are in memory.
//!
//! - [`Models`]: who may have which model by which name;
//! - [`Offer`]: a model that can be asked for, and what loads it;
//! - [`residency`]: which models are in memory; pure;
//! - [`Lease`]: a model that is held in memory.

mod offer;
pub mod residency;
mod residents;
#[cfg(test)]
mod tests;

pub use offer::{About, Bounds, Capability, Loaded, Offer, Source};
pub use residents::Lease;

use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use residency::Standing;
use residents::{Refusal, Residents};
use rustygpt_model::contract::ModelDescription;
use rustygpt_model::engine::AnyModel;
use rustygpt_utils::clock::{Clock, SystemClock};
use rustygpt_utils::tasks::Tasks;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A name in the list of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name to ask for.
    pub name: String,
    /// What is known of the model it stands for.
    pub about: About,
}

/// A model and how it fares; for the parts of the server that serve nobody in particular.
#[derive(Clone)]
pub struct Overview<'a> {
    /// What is known of it without loading it.
    pub about: &'a About,
    /// Where it is.
    pub standing: Standing,
    /// The model, while it is in memory.
    pub model: Option<AnyModel>,
}

/// The models that can be asked for, by id and alias.
pub struct Models {
    known: BTreeMap<String, About>,
    aliases: BTreeMap<String, String>,
    pinned: Vec<String>,
    residents: Arc<Residents>,
}

/// Why a name cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is taken.
    #[error("two models would be called `{0}`; give one another name with --model PATH=ID")]
    Taken(String),
    /// An alias for a model that is not there.
    #[error("the alias `{alias}` stands for `{id}`, which is not there")]
    UnknownModel {
        /// The alias.
        alias: String,
        /// What it should stand for.
        id: String,
    },
}

impl Default for Models {
    fn default() -> Self {
        Self::new()
    }
}

impl Models {
    /// No models, and no bounds for those to come.
    #[must_use]
    pub fn new() -> Self {
        Self::within(Bounds::default(), Arc::new(SystemClock), Tasks::new())
    }

    /// No models. Loading and unloading run as `tasks`.
    #[must_use]
    pub fn within(bounds: Bounds, clock: Arc<dyn Clock>, tasks: Tasks) -> Self {
        Self {
            known: BTreeMap::new(),
            aliases: BTreeMap::new(),
            pinned: Vec::new(),
            residents: Arc::new(Residents::new(bounds, clock, tasks)),
        }
    }

    /// Adds a model that is loaded already, under its description's id; it stays in memory.
    /// `created` is the time in seconds since 1970.
    ///
    /// # Errors
    /// [`NameError::Taken`] when a model or an alias has that name.
    pub fn insert(&mut self, model: impl Into<AnyModel>, created: u64) -> Result<(), NameError> {
        let model = model.into();
        let about = About::of(&model, created);
        let id = self.free_name(&about.id)?;
        self.known.insert(id, about);
        self.residents.add_ready(model);
        Ok(())
    }

    /// Adds a model that is loaded when it is asked for.
    ///
    /// # Errors
    /// [`NameError::Taken`] when a model or an alias has that name.
    pub fn offer(&mut self, offer: Offer) -> Result<(), NameError> {
        let Offer {
            about,
            needed_bytes,
            is_pinned,
            source,
        } = offer;
        let id = self.free_name(&about.id)?;
        self.residents.add(&id, needed_bytes, is_pinned, source);
        if is_pinned {
            self.pinned.push(id.clone());
        }
        self.known.insert(id, about);
        Ok(())
    }

    /// Gives a model another name.
    ///
    /// # Errors
    /// [`NameError`] when the name is taken or the model is not there.
    pub fn alias(&mut self, alias: &str, id: &str) -> Result<(), NameError> {
        if !self.known.contains_key(id) {
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
        match self.about(name) {
            Some(_) => Err(NameError::Taken(name.to_owned())),
            None => Ok(name.to_owned()),
        }
    }

    fn about(&self, name: &str) -> Option<&About> {
        let id = self.aliases.get(name).map_or(name, String::as_str);
        self.known.get(id)
    }

    /// What is known of the model of this name.
    ///
    /// # Errors
    /// [`UseCaseError::ModelNotFound`] when there is none, or none that `caller` may see.
    pub fn view(&self, caller: &Caller, name: &str) -> Result<About, UseCaseError> {
        let about = self.find(caller, Action::View, name)?;
        Ok(self.up_to_date(about))
    }

    /// What is known of a model, and what a loaded one tells itself.
    fn up_to_date(&self, about: &About) -> About {
        let model = self.residents.look_at(&about.id).and_then(|found| found.1);
        model.map_or_else(|| about.clone(), |model| About::of(&model, about.created))
    }

    fn find(&self, caller: &Caller, action: Action, name: &str) -> Result<&About, UseCaseError> {
        let about = self.about(name).filter(|about| {
            let thing = Thing::Model(&about.id);
            authorize(caller, action, thing).is_ok()
        });
        about.ok_or_else(|| UseCaseError::ModelNotFound {
            name: name.to_owned(),
            available: self.names(caller, |_| true),
        })
    }

    /// The model of this name, held in memory; it is loaded first if need be. Dropping the future
    /// gives the place among those who wait back.
    ///
    /// # Errors
    /// - [`UseCaseError::ModelNotFound`] when there is none, or none that `caller` may use;
    /// - [`UseCaseError::WrongKind`] when it is not `wanted`; it is not loaded then;
    /// - [`UseCaseError::NoRoom`], [`UseCaseError::NotLoaded`] when it cannot be loaded.
    pub async fn lease(
        &self,
        caller: &Caller,
        name: &str,
        wanted: Capability,
    ) -> Result<Lease, UseCaseError> {
        let about = self.find(caller, Action::Generate, name)?;
        if about.capability != wanted {
            return Err(self.wrong_kind(caller, about, wanted));
        }
        let lease = self.residents.lease(&about.id).await;
        let lease = lease.map_err(|refusal| refused(&about.id, refusal))?;
        // The file may have been replaced by one of another kind since it was listed.
        if Capability::of(lease.model()) != wanted {
            return Err(self.wrong_kind(caller, about, wanted));
        }
        Ok(lease)
    }

    /// Loads the pinned models, one after the other.
    ///
    /// # Errors
    /// [`UseCaseError::NoRoom`], [`UseCaseError::NotLoaded`] for the first that cannot be loaded.
    pub async fn load_pinned(&self) -> Result<(), UseCaseError> {
        for id in &self.pinned {
            let lease = self.residents.lease(id).await;
            lease.map_err(|refusal| refused(id, refusal))?;
        }
        Ok(())
    }

    /// The error for a model that is not for what it was `wanted` for.
    fn wrong_kind(&self, caller: &Caller, about: &About, wanted: Capability) -> UseCaseError {
        UseCaseError::WrongKind {
            id: about.id.clone(),
            kind: about.capability.name(),
            wanted: match wanted {
                Capability::Language => "chat",
                Capability::Embedding => "embed texts",
            },
            others: self.names(caller, |about| about.capability == wanted),
        }
    }

    /// The names that `caller` may see of the models that are `wanted`, sorted.
    fn names(&self, caller: &Caller, wanted: impl Fn(&About) -> bool) -> Vec<String> {
        let list = self.list(caller).unwrap_or_default();
        let wanted = list.into_iter().filter(|listed| wanted(&listed.about));
        wanted.map(|listed| listed.name).collect()
    }

    /// All names, sorted, whether their models are loaded or not.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] when the caller may not see models.
    pub fn list(&self, caller: &Caller) -> Result<Vec<Listed>, UseCaseError> {
        authorize(caller, Action::View, Thing::Models)?;
        let ids = self.known.keys().map(|id| (id, id));
        let names = ids.chain(&self.aliases);
        let mut list: Vec<Listed> = names
            .filter(|(_, id)| authorize(caller, Action::View, Thing::Model(id)).is_ok())
            .filter_map(|(name, id)| {
                Some(Listed {
                    name: name.clone(),
                    about: self.up_to_date(self.known.get(id)?),
                })
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// The models in memory, each once, sorted by id; for the parts of the server that serve
    /// nobody in particular.
    #[must_use]
    pub fn loaded(&self) -> Vec<AnyModel> {
        self.residents.models()
    }

    /// All models and how they fare, sorted by id; for the parts of the server that serve nobody
    /// in particular.
    pub fn overview(&self) -> impl Iterator<Item = Overview<'_>> {
        self.known.iter().filter_map(|(id, about)| {
            let (standing, model) = self.residents.look_at(id)?;
            Some(Overview {
                about,
                standing,
                model,
            })
        })
    }

    /// Bytes that all loaded models together may take; `None` without bounds.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.residents.budget()
    }

    /// Whether there is a model to ask for, the pinned ones are in memory and every engine runs.
    #[must_use]
    pub fn are_ready(&self) -> bool {
        let is_fine = |overview: Overview<'_>| match overview.model {
            Some(model) => model.status().stopped.is_none(),
            None => !overview.standing.is_pinned,
        };
        !self.known.is_empty() && self.overview().all(is_fine)
    }

    /// Unloads models that nobody used for the keep-alive time.
    pub fn unload_idle(&self) {
        self.residents.unload_idle();
    }

    /// Unloads models as their time comes, until the tasks are cancelled: a task of the server.
    pub fn tend(&self) -> impl Future<Output = ()> + Send + 'static {
        let residents = Arc::clone(&self.residents);
        async move { residents.tend().await }
    }
}

fn refused(id: &str, refusal: Refusal) -> UseCaseError {
    let id = id.to_owned();
    match refusal {
        Refusal::NoRoom { needed, available } => UseCaseError::NoRoom {
            id,
            needed_bytes: needed,
            available_bytes: available,
        },
        Refusal::Failed(cause) => UseCaseError::NotLoaded { id, cause },
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
