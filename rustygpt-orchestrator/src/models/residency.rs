//! [`Residency`]: which models are in memory. Pure: it is told what happened and when, and says
//! what is to be done. It holds ids and numbers, no models.
//!
//! - A model that is asked for is loaded; whoever asks meanwhile waits for the same load. Models
//!   load one after the other: two at once would share disk, cores and the same free memory.
//! - A model that does not fit beside those in memory waits in line until there is room. Of the
//!   others the least recently used go, first those that nobody uses. One that answers is never
//!   taken away; it is *drained*: who asks for it next stands in line behind those who need its
//!   room, so that nobody waits for ever.
//! - A model that nobody used for the keep-alive time goes. Pinned ones stay.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A moment: the time since whatever the clock counts from.
pub type Moment = Duration;

/// Who waits for a model, or uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Load the model; it may take `room` bytes. To be answered by [`Residency::loaded`],
    /// [`Residency::failed`] or [`Residency::failed_for_memory`].
    Load {
        /// The model.
        id: String,
        /// Bytes that are free for it.
        room: u64,
    },
    /// Free the model; nobody uses it. To be answered by [`Residency::unloaded`].
    Unload {
        /// The model.
        id: String,
    },
    /// The model is there for who asked. To be answered by [`Residency::finish`].
    Admit {
        /// Who asked.
        ticket: Ticket,
    },
    /// The model cannot fit beside the pinned ones.
    Refuse {
        /// Who asked.
        ticket: Ticket,
        /// Bytes that the model needs.
        needed: u64,
        /// Bytes that it could have.
        available: u64,
    },
    /// The model could not be loaded.
    Fail {
        /// Who asked.
        ticket: Ticket,
    },
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On disk.
    Absent,
    /// On disk, and asked for.
    Awaited,
    /// On its way into memory.
    Loading,
    /// In memory.
    Ready,
    /// On its way out of memory.
    Leaving,
}

/// How a model fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it is.
    pub phase: Phase,
    /// Bytes of memory it holds; while it loads, those it needs at least.
    pub bytes: u64,
    /// Whether it never leaves.
    pub is_pinned: bool,
    /// Requests that use it.
    pub users: usize,
    /// Requests that wait for it.
    pub waiting: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Loading { room: u64 },
    Ready { bytes: u64 },
    Leaving { bytes: u64 },
}

#[derive(Debug)]
struct Place {
    /// Bytes without which loading is not worth a try.
    needed: u64,
    is_pinned: bool,
    state: State,
    users: usize,
    waiters: Vec<Ticket>,
    last_used: Moment,
    /// Its room is needed: it takes no more requests.
    is_drained: bool,
    /// It answers no more: it takes no more requests, and is loaded anew.
    is_broken: bool,
}

impl Place {
    fn new(needed: u64, is_pinned: bool, state: State) -> Self {
        Self {
            needed,
            is_pinned,
            state,
            users: 0,
            waiters: Vec::new(),
            last_used: Moment::ZERO,
            is_drained: false,
            is_broken: false,
        }
    }

    fn held(&self) -> u64 {
        match self.state {
            State::Absent => 0,
            State::Loading { room } => room,
            State::Ready { bytes } | State::Leaving { bytes } => bytes,
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether who asks for it has it at once.
    fn is_open(&self) -> bool {
        self.is_ready() && !self.is_drained && !self.is_broken
    }

    fn is_moving(&self) -> bool {
        matches!(self.state, State::Loading { .. } | State::Leaving { .. })
    }

    /// Whether it may be asked to leave one day.
    fn is_movable(&self) -> bool {
        self.is_ready() && !self.is_pinned
    }
}

/// Which models are in memory.
#[derive(Debug)]
pub struct Residency {
    budget: u64,
    keep_alive: Option<Duration>,
    places: BTreeMap<String, Place>,
    /// The models that wait for room, longest first.
    line: VecDeque<String>,
    next_ticket: u64,
}

impl Residency {
    /// Nothing is in memory. `budget` is the memory of all models together, `None` without bounds;
    /// `keep_alive` is how long a model stays that nobody uses, `None` for ever.
    #[must_use]
    pub fn new(budget: Option<u64>, keep_alive: Option<Duration>) -> Self {
        Self {
            budget: budget.unwrap_or(u64::MAX),
            keep_alive,
            places: BTreeMap::new(),
            line: VecDeque::new(),
            next_ticket: 0,
        }
    }

    /// Adds a model that is on disk. Without `needed` bytes it is not loaded.
    pub fn add(&mut self, id: &str, needed: u64, is_pinned: bool) {
        let place = Place::new(needed, is_pinned, State::Absent);
        self.places.insert(id.to_owned(), place);
    }

    /// Adds a model that is in memory for good.
    pub fn add_ready(&mut self, id: &str, bytes: u64) {
        let place = Place::new(bytes, true, State::Ready { bytes });
        self.places.insert(id.to_owned(), place);
    }

    /// Bytes that all models together may take; `None` without bounds.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        (self.budget != u64::MAX).then_some(self.budget)
    }

    /// Someone asks for a model. The ticket is admitted, refused or failed by an act of this or of
    /// a later event, exactly once, unless it is taken back by [`Self::abandon`]. A model that was
    /// never added fails.
    pub fn ask(&mut self, id: &str, now: Moment) -> (Ticket, Vec<Act>) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let Some(place) = self.places.get_mut(id) else {
            return (ticket, vec![Act::Fail { ticket }]);
        };
        if place.is_open() {
            place.users += 1;
            place.last_used = now;
            return (ticket, vec![Act::Admit { ticket }]);
        }
        let is_loading = matches!(place.state, State::Loading { .. });
        place.waiters.push(ticket);
        if !is_loading && !self.line.iter().any(|waiting| waiting == id) {
            self.line.push_back(id.to_owned());
        }
        (ticket, self.settle(now))
    }

    /// Who asked has gone. Nothing happens to one who was answered meanwhile.
    pub fn abandon(&mut self, id: &str, ticket: Ticket, now: Moment) -> Vec<Act> {
        if let Some(place) = self.places.get_mut(id) {
            place.waiters.retain(|waiter| *waiter != ticket);
        }
        self.settle(now)
    }

    /// One who was admitted needs the model no more.
    pub fn finish(&mut self, id: &str, now: Moment) -> Vec<Act> {
        if let Some(place) = self.places.get_mut(id) {
            place.users = place.users.saturating_sub(1);
            place.last_used = now;
        }
        self.settle(now)
    }

    /// A model in memory answers no more: it goes once nobody uses it, pinned or not, and who asks
    /// for it waits until it was loaded anew.
    pub fn broke(&mut self, id: &str, now: Moment) -> Vec<Act> {
        if let Some(place) = self.places.get_mut(id) {
            place.is_broken = place.is_ready();
        }
        self.settle(now)
    }

    /// A model was loaded and takes so many bytes.
    pub fn loaded(&mut self, id: &str, bytes: u64, now: Moment) -> Vec<Act> {
        let mut acts = Vec::new();
        if let Some(place) = self.places.get_mut(id) {
            place.state = State::Ready { bytes };
            place.last_used = now;
            admit(place, &mut acts);
        }
        acts.extend(self.settle(now));
        acts
    }

    /// A model could not be loaded: all who wait for it are told, and who asks next tries again.
    pub fn failed(&mut self, id: &str, now: Moment) -> Vec<Act> {
        let mut acts = Vec::new();
        if let Some(place) = self.places.get_mut(id) {
            place.state = State::Absent;
            let waiters = std::mem::take(&mut place.waiters);
            acts.extend(waiters.into_iter().map(|ticket| Act::Fail { ticket }));
        }
        acts.extend(self.settle(now));
        acts
    }

    /// A model found less memory than it was promised: it needs `needed` bytes. While there are
    /// models that nobody uses, the oldest makes room and loading is tried again.
    pub fn failed_for_memory(&mut self, id: &str, needed: u64, now: Moment) -> Vec<Act> {
        let victim = self.victims(id).into_iter().next();
        let Some(victim) = victim.filter(|victim| self.places[victim].users == 0) else {
            return self.failed(id, now);
        };
        if let Some(place) = self.places.get_mut(id) {
            place.state = State::Absent;
            place.needed = place.needed.max(needed);
        }
        self.line.push_front(id.to_owned());
        let mut acts = Vec::new();
        self.unload(&victim, &mut acts);
        acts.extend(self.settle(now));
        acts
    }

    /// A model has left memory.
    pub fn unloaded(&mut self, id: &str, now: Moment) -> Vec<Act> {
        if let Some(place) = self.places.get_mut(id) {
            place.state = State::Absent;
            place.is_broken = false;
        }
        self.settle(now)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) -> Vec<Act> {
        self.settle(now)
    }

    /// When [`Self::tick`] will next have something to do, if nothing happens until then.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Moment> {
        let keep_alive = self.keep_alive?;
        let idle = self
            .places
            .values()
            .filter(|place| place.is_movable() && place.users == 0);
        idle.map(|place| place.last_used.saturating_add(keep_alive))
            .min()
    }

    /// How a model fares; `None` for one that was never added.
    #[must_use]
    pub fn standing(&self, id: &str) -> Option<Standing> {
        let place = self.places.get(id)?;
        Some(Standing {
            phase: match place.state {
                State::Absent if place.waiters.is_empty() => Phase::Absent,
                State::Absent => Phase::Awaited,
                State::Loading { .. } => Phase::Loading,
                State::Ready { .. } => Phase::Ready,
                State::Leaving { .. } => Phase::Leaving,
            },
            bytes: match place.state {
                State::Loading { .. } => place.needed,
                _ => place.held(),
            },
            is_pinned: place.is_pinned,
            users: place.users,
            waiting: place.waiters.len(),
        })
    }

    fn settle(&mut self, now: Moment) -> Vec<Act> {
        let mut acts = Vec::new();
        self.expire(now, &mut acts);
        self.serve_line(now, &mut acts);
        acts
    }

    fn expire(&mut self, now: Moment, acts: &mut Vec<Act>) {
        let keep_alive = self.keep_alive.unwrap_or(Duration::MAX);
        let is_expired = |place: &Place| {
            let is_old = now.saturating_sub(place.last_used) >= keep_alive;
            place.users == 0 && (place.is_broken || place.is_movable() && is_old)
        };
        let expired = self.places.iter().filter(|(_, place)| is_expired(place));
        for id in expired.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.unload(&id, acts);
        }
    }

    fn unload(&mut self, id: &str, acts: &mut Vec<Act>) {
        if let Some(place) = self.places.get_mut(id)
            && let State::Ready { bytes } = place.state
        {
            place.state = State::Leaving { bytes };
            acts.push(Act::Unload { id: id.to_owned() });
        }
    }

    /// Loads the first in line, or makes room for it.
    fn serve_line(&mut self, now: Moment, acts: &mut Vec<Act>) {
        // What is on its way will end; then there is more to go by.
        if self.places.values().any(Place::is_moving) {
            return;
        }
        // Whose room is needed is found anew: who needed it may have gone.
        for place in self.places.values_mut() {
            place.is_drained = false;
        }
        while let Some(id) = self.line.front().cloned() {
            if self.places[&id].waiters.is_empty() {
                self.line.pop_front();
                continue;
            }
            if self.places[&id].is_broken {
                // Those who use it are about to be told, and go.
                break;
            }
            if self.places[&id].is_ready() {
                self.line.pop_front();
                self.admit_waiters(&id, now, acts);
                continue;
            }
            let needed = self.places[&id].needed;
            let held: u64 = self.places.values().map(Place::held).sum();
            let room = self.budget.saturating_sub(held);
            if needed <= room {
                self.line.pop_front();
                self.begin(&id, room, acts);
                break;
            }
            let pinned = self.places.values().filter(|place| place.is_pinned);
            let available = self.budget.saturating_sub(pinned.map(Place::held).sum());
            if needed > available {
                self.line.pop_front();
                self.refuse(&id, available, acts);
                continue;
            }
            self.make_room(&id, needed - room, acts);
            break;
        }
        self.admit_spared(now, acts);
    }

    fn begin(&mut self, id: &str, room: u64, acts: &mut Vec<Act>) {
        if let Some(place) = self.places.get_mut(id) {
            place.state = State::Loading { room };
            let id = id.to_owned();
            acts.push(Act::Load { id, room });
        }
    }

    fn refuse(&mut self, id: &str, available: u64, acts: &mut Vec<Act>) {
        if let Some(place) = self.places.get_mut(id) {
            let needed = place.needed;
            let waiters = std::mem::take(&mut place.waiters);
            acts.extend(waiters.into_iter().map(|ticket| Act::Refuse {
                ticket,
                needed,
                available,
            }));
        }
    }

    /// Unloads models that nobody uses and drains others, until `missing` bytes are or will be
    /// free for `id`.
    fn make_room(&mut self, id: &str, mut missing: u64, acts: &mut Vec<Act>) {
        for victim in self.victims(id) {
            if missing == 0 {
                break;
            }
            let Some(place) = self.places.get_mut(&victim) else {
                continue;
            };
            missing = missing.saturating_sub(place.held());
            place.is_drained = true;
            if place.users == 0 {
                self.unload(&victim, acts);
            }
        }
    }

    /// The models that may make room for `id`, in the order in which they should.
    fn victims(&self, id: &str) -> Vec<String> {
        let others = self.places.iter().filter(|(other, _)| *other != id);
        let mut movable: Vec<_> = others.filter(|(_, place)| place.is_movable()).collect();
        movable.sort_by_key(|(_, place)| (place.users > 0, place.last_used));
        movable.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// Models in line whose room is not needed any more need not be in line.
    fn admit_spared(&mut self, now: Moment, acts: &mut Vec<Act>) {
        let places = &self.places;
        let is_spared = |id: &String| places[id].is_open();
        let (spared, waiting) = self.line.drain(..).partition(is_spared);
        self.line = waiting;
        let spared: VecDeque<String> = spared;
        for id in spared {
            self.admit_waiters(&id, now, acts);
        }
    }

    fn admit_waiters(&mut self, id: &str, now: Moment, acts: &mut Vec<Act>) {
        if let Some(place) = self.places.get_mut(id) {
            place.last_used = now;
            admit(place, acts);
        }
    }
}

fn admit(place: &mut Place, acts: &mut Vec<Act>) {
    let waiters = std::mem::take(&mut place.waiters);
    place.users += waiters.len();
    acts.extend(waiters.into_iter().map(|ticket| Act::Admit { ticket }));
}
