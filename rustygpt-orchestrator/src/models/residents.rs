//! [`Residents`]: the models in memory. Does what [`Residency`] says and tells it what came of it.

use super::fingerprint;
use super::offer::{Bounds, Loaded, Source};
use super::residency::{Act, Moment, Residency, Standing, Ticket};
use rustygpt_model::contract::ModelError;
use rustygpt_model::engine::AnyModel;
use rustygpt_utils::clock::Clock;
use rustygpt_utils::tasks::Tasks;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// A model in memory.
#[derive(Clone)]
struct Resident {
    model: AnyModel,
    fingerprint: Arc<str>,
}

impl Resident {
    fn new(model: AnyModel) -> Self {
        let fingerprint = fingerprint(model.description()).into();
        Self { model, fingerprint }
    }
}

/// Why a model is not to be had.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// It cannot fit.
    NoRoom { needed: u64, available: u64 },
    /// It could not be loaded.
    Failed(Arc<ModelError>),
}

/// A model that is held in memory: while this lives, it is not unloaded.
pub struct Lease {
    residents: Arc<Residents>,
    id: String,
    resident: Resident,
}

impl Lease {
    /// The model.
    #[must_use]
    pub fn model(&self) -> &AnyModel {
        &self.resident.model
    }

    /// Names the model file and this build, as `system_fingerprint` does.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.resident.fingerprint
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let id = &self.id;
        self.residents
            .change(|state, now| ((), state.residency.finish(id, now)));
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The models in memory.
pub(super) struct Residents {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    /// Told of every change: when the next model goes may have changed.
    changed: Notify,
}

struct State {
    residency: Residency,
    models: BTreeMap<String, Resident>,
    sources: BTreeMap<String, Arc<dyn Source>>,
    waiting: HashMap<Ticket, Waiter>,
    /// Why the latest load failed, while those who waited for it are told.
    failure: Option<Arc<ModelError>>,
}

impl State {
    /// Whether a model that can be loaded anew has an engine that stopped.
    fn has_stopped(&self, id: &str) -> bool {
        let resident = self.models.get(id);
        let has_stopped = resident.is_some_and(|it| it.model.status().stopped.is_some());
        has_stopped && self.sources.contains_key(id)
    }
}

struct Waiter {
    id: String,
    answer: oneshot::Sender<Result<Lease, Refusal>>,
}

/// What is done once nobody holds the lock.
enum Deed {
    Load(String, u64, Arc<dyn Source>),
    Unload(String, AnyModel),
    Answer(
        oneshot::Sender<Result<Lease, Refusal>>,
        Result<Lease, Refusal>,
    ),
}

/// Takes a request out of the line when its client goes.
struct InLine<'a> {
    residents: &'a Arc<Residents>,
    id: &'a str,
    ticket: Ticket,
    is_answered: bool,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let (id, ticket) = (self.id, self.ticket);
        self.residents.change(|state, now| {
            state.waiting.remove(&ticket);
            ((), state.residency.abandon(id, ticket, now))
        });
    }
}

impl Residents {
    pub(super) fn new(bounds: Bounds, clock: Arc<dyn Clock>, tasks: Tasks) -> Self {
        Self {
            state: Mutex::new(State {
                residency: Residency::new(bounds.memory, bounds.keep_alive),
                models: BTreeMap::new(),
                sources: BTreeMap::new(),
                waiting: HashMap::new(),
                failure: None,
            }),
            clock,
            tasks,
            changed: Notify::new(),
        }
    }

    /// Adds a model that is loaded already, and stays.
    pub(super) fn add_ready(&self, model: AnyModel) {
        let id = model.description().id.clone();
        let mut state = self.lock();
        let bytes = model.description().weight_bytes;
        state.residency.add_ready(&id, bytes);
        state.models.insert(id, Resident::new(model));
    }

    /// Adds a model that can be loaded.
    pub(super) fn add(&self, id: &str, needed: u64, is_pinned: bool, source: Arc<dyn Source>) {
        let mut state = self.lock();
        state.residency.add(id, needed, is_pinned);
        state.sources.insert(id.to_owned(), source);
    }

    /// The model, loaded if need be. Dropping the future gives the place in line back.
    pub(super) async fn lease(self: &Arc<Self>, id: &str) -> Result<Lease, Refusal> {
        let (answer, answered) = oneshot::channel();
        let ticket = self.change(|state, now| {
            // An engine that stopped does not come back by itself.
            let mut acts = match state.has_stopped(id) {
                true => state.residency.broke(id, now),
                false => Vec::new(),
            };
            let (ticket, more) = state.residency.ask(id, now);
            acts.extend(more);
            let waiter = Waiter {
                id: id.to_owned(),
                answer,
            };
            state.waiting.insert(ticket, waiter);
            (ticket, acts)
        });
        let mut place = InLine {
            residents: self,
            id,
            ticket,
            is_answered: false,
        };
        let outcome = answered.await;
        place.is_answered = true;
        // Everyone is answered before their sender goes.
        outcome.unwrap_or_else(|error| Err(Refusal::Failed(internal(error))))
    }

    /// The models in memory, by id.
    pub(super) fn models(&self) -> Vec<AnyModel> {
        let state = self.lock();
        let models = state.models.values();
        models.map(|resident| resident.model.clone()).collect()
    }

    /// How a model fares, and the model if it is in memory.
    pub(super) fn look_at(&self, id: &str) -> Option<(Standing, Option<AnyModel>)> {
        let state = self.lock();
        let model = state.models.get(id).map(|resident| resident.model.clone());
        Some((state.residency.standing(id)?, model))
    }

    /// Bytes that all models together may take.
    pub(super) fn budget(&self) -> Option<u64> {
        self.lock().residency.budget()
    }

    /// Unloads what nobody used for the keep-alive time.
    pub(super) fn unload_idle(self: &Arc<Self>) {
        self.change(|state, now| ((), state.residency.tick(now)));
    }

    /// Unloads models as their time comes, until the tasks are cancelled.
    pub(super) async fn tend(self: &Arc<Self>) {
        let cancelled = self.tasks.cancellation();
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = self.unload_in_time() => {}
        }
    }

    async fn unload_in_time(self: &Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            let next = self.lock().residency.next_expiry();
            let Some(next) = next else {
                changed.await;
                continue;
            };
            let left = next.saturating_sub(self.clock.since_epoch());
            if left.is_zero() {
                self.unload_idle();
                continue;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Tells the residency of an event and does what it says.
    fn change<T>(self: &Arc<Self>, event: impl FnOnce(&mut State, Moment) -> (T, Vec<Act>)) -> T {
        let now = self.clock.since_epoch();
        let mut state = self.lock();
        let (value, acts) = event(&mut state, now);
        let deeds: Vec<Deed> = acts
            .into_iter()
            .filter_map(|act| self.deed(&mut state, act))
            .collect();
        state.failure = None;
        drop(state);
        for deed in deeds {
            self.perform(deed);
        }
        self.changed.notify_waiters();
        value
    }

    fn deed(self: &Arc<Self>, state: &mut State, act: Act) -> Option<Deed> {
        match act {
            Act::Load { id, room } => {
                let source = Arc::clone(state.sources.get(&id)?);
                Some(Deed::Load(id, room, source))
            }
            Act::Unload { id } => {
                let model = state.models.remove(&id)?.model;
                Some(Deed::Unload(id, model))
            }
            Act::Admit { ticket } => {
                let Waiter { id, answer } = state.waiting.remove(&ticket)?;
                let resident = state.models.get(&id)?.clone();
                let residents = Arc::clone(self);
                let lease = Lease {
                    residents,
                    id,
                    resident,
                };
                Some(Deed::Answer(answer, Ok(lease)))
            }
            Act::Refuse {
                ticket,
                needed,
                available,
            } => {
                let waiter = state.waiting.remove(&ticket)?;
                let refusal = Refusal::NoRoom { needed, available };
                Some(Deed::Answer(waiter.answer, Err(refusal)))
            }
            Act::Fail { ticket } => {
                let waiter = state.waiting.remove(&ticket)?;
                let failure = state.failure.clone();
                let failure = failure.unwrap_or_else(|| internal("no such model"));
                Some(Deed::Answer(waiter.answer, Err(Refusal::Failed(failure))))
            }
        }
    }

    fn perform(self: &Arc<Self>, deed: Deed) {
        let residents = Arc::clone(self);
        match deed {
            // A lease whose receiver has gone is dropped here, and so given back.
            Deed::Answer(answer, outcome) => drop(answer.send(outcome)),
            // The program ends: the last leases are dropped after the runtime.
            _ if tokio::runtime::Handle::try_current().is_err() => {}
            Deed::Load(id, room, source) => {
                self.tasks
                    .spawn(async move { residents.load(id, room, source).await });
            }
            Deed::Unload(id, model) => {
                self.tasks
                    .spawn(async move { residents.unload(id, model).await });
            }
        }
    }

    async fn load(self: Arc<Self>, id: String, room: u64, source: Arc<dyn Source>) {
        let room = (room != u64::MAX).then_some(room);
        tracing::info!(model.id = id, room_bytes = room, "loading model");
        let start = self.clock.since_epoch();
        let loading = self.tasks.spawn_blocking(move || source.load(room));
        let outcome = match loading.await {
            Ok(outcome) => outcome,
            // The loader panicked.
            Err(error) => Err(ModelError::Internal(Box::new(error))),
        };
        let seconds = self.clock.since_epoch().saturating_sub(start).as_secs_f64();
        match outcome {
            Ok(Loaded { model, bytes }) => {
                announce(&model, bytes, seconds);
                self.change(|state, now| {
                    state.models.insert(id.clone(), Resident::new(model));
                    ((), state.residency.loaded(&id, bytes, now))
                });
            }
            Err(error) => {
                let error = Arc::new(error);
                tracing::warn!(model.id = id, %error, seconds, "the model could not be loaded");
                self.change(|state, now| {
                    state.failure = Some(Arc::clone(&error));
                    let residency = &mut state.residency;
                    let acts = match *error {
                        ModelError::OutOfMemory { needed_bytes, .. } => {
                            residency.failed_for_memory(&id, needed_bytes, now)
                        }
                        _ => residency.failed(&id, now),
                    };
                    ((), acts)
                });
            }
        }
    }

    async fn unload(self: Arc<Self>, id: String, model: AnyModel) {
        model.shutdown().await;
        drop(model);
        tracing::info!(model.id = id, "model unloaded");
        self.change(|state, now| ((), state.residency.unloaded(&id, now)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between events; no event panics half-way by design.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn announce(model: &AnyModel, bytes: u64, seconds: f64) {
    let description = model.description();
    tracing::info!(
        model.id = description.id,
        kind = description.kind.name(),
        architecture = description.architecture,
        quantization = description.quantization,
        context_length = description.context_length,
        bytes,
        seconds,
        "model loaded"
    );
}

fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Arc<ModelError> {
    Arc::new(ModelError::Internal(error.into()))
}
