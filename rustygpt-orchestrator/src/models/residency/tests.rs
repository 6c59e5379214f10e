use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn load(id: &str, room: u64) -> Act {
    let id = id.to_owned();
    Act::Load { id, room }
}

fn unload(id: &str) -> Act {
    Act::Unload { id: id.to_owned() }
}

fn admit(ticket: Ticket) -> Act {
    Act::Admit { ticket }
}

/// Models `a`, `b` and `c` of 60 bytes each.
fn three(budget: u64) -> Residency {
    let mut residency = Residency::new(Some(budget), Some(at(300)));
    for id in ["a", "b", "c"] {
        residency.add(id, 60, false);
    }
    residency
}

/// Asks, loads and finishes.
fn use_once(residency: &mut Residency, id: &str, now: Moment) {
    let (ticket, acts) = residency.ask(id, now);
    if acts != [admit(ticket)] {
        assert!(matches!(acts[..], [Act::Load { .. }]), "{acts:?}");
        assert_eq!(residency.loaded(id, 60, now), [admit(ticket)]);
    }
    assert_eq!(residency.finish(id, now), []);
}

#[test]
fn everyone_who_asks_while_a_model_loads_waits_for_the_same_load() {
    let mut residency = three(100);
    let (first, acts) = residency.ask("a", at(0));
    assert_eq!(acts, [load("a", 100)]);
    let (second, acts) = residency.ask("a", at(1));
    assert_eq!(acts, []);
    assert_eq!(
        residency.loaded("a", 70, at(2)),
        [admit(first), admit(second)]
    );
    let (third, acts) = residency.ask("a", at(3));
    assert_eq!(acts, [admit(third)]);
}

#[test]
fn a_failed_load_fails_everyone_and_the_next_request_tries_again() {
    let mut residency = three(100);
    let (first, _) = residency.ask("a", at(0));
    let (second, _) = residency.ask("a", at(0));
    let failed = [first, second].map(|ticket| Act::Fail { ticket });
    assert_eq!(residency.failed("a", at(1)), failed);
    assert_eq!(residency.ask("a", at(2)).1, [load("a", 100)]);
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut residency = three(130);
    use_once(&mut residency, "a", at(1));
    use_once(&mut residency, "b", at(2));
    use_once(&mut residency, "a", at(3));
    let (ticket, acts) = residency.ask("c", at(4));
    assert_eq!(acts, [unload("b")]);
    assert_eq!(residency.unloaded("b", at(5)), [load("c", 70)]);
    assert_eq!(residency.loaded("c", 60, at(6)), [admit(ticket)]);
}

#[test]
fn one_that_answers_is_never_taken_away_and_its_next_askers_stand_in_line() {
    let mut residency = three(100);
    let (answering, _) = residency.ask("a", at(0));
    assert_eq!(residency.loaded("a", 60, at(0)), [admit(answering)]);
    let (waiting, acts) = residency.ask("b", at(1));
    assert_eq!(acts, []);
    let (behind, acts) = residency.ask("a", at(2));
    assert_eq!(acts, [], "b was first");
    assert_eq!(residency.finish("a", at(3)), [unload("a")]);
    assert_eq!(residency.unloaded("a", at(4)), [load("b", 100)]);
    assert_eq!(residency.loaded("b", 60, at(5)), [admit(waiting)]);
    assert_eq!(residency.finish("b", at(6)), [unload("b")]);
    assert_eq!(residency.unloaded("b", at(7)), [load("a", 100)]);
    assert_eq!(residency.loaded("a", 60, at(8)), [admit(behind)]);
}

#[test]
fn a_drained_model_is_spared_when_who_needed_its_room_has_gone() {
    let mut residency = three(100);
    let (_, _) = residency.ask("a", at(0));
    residency.loaded("a", 60, at(0));
    let (waiting, _) = residency.ask("b", at(1));
    let (behind, acts) = residency.ask("a", at(2));
    assert_eq!(acts, []);
    assert_eq!(residency.abandon("b", waiting, at(3)), [admit(behind)]);
    assert_eq!(residency.standing("a").unwrap().users, 2);
}

#[test]
fn a_drained_model_is_spared_when_another_falls_idle() {
    let mut residency = three(130);
    let (_, _) = residency.ask("a", at(0));
    residency.loaded("a", 60, at(0));
    let (_, _) = residency.ask("b", at(1));
    residency.loaded("b", 60, at(1));
    let (_, acts) = residency.ask("c", at(2));
    assert_eq!(acts, []);
    let (spared, acts) = residency.ask("a", at(3));
    assert_eq!(acts, [], "its room is needed");
    assert_eq!(residency.finish("b", at(4)), [unload("b"), admit(spared)]);
    assert_eq!(residency.unloaded("b", at(5)), [load("c", 70)]);
}

#[test]
fn what_cannot_fit_beside_the_pinned_is_refused_with_the_bytes() {
    let mut residency = three(100);
    residency.add("pinned", 50, true);
    let (first, _) = residency.ask("pinned", at(0));
    assert_eq!(residency.loaded("pinned", 50, at(0)), [admit(first)]);
    residency.finish("pinned", at(0));
    let (ticket, acts) = residency.ask("a", at(1));
    let refused = Act::Refuse {
        ticket,
        needed: 60,
        available: 50,
    };
    assert_eq!(acts, [refused]);
    assert_eq!(residency.tick(at(1_000_000)), [], "pinned models stay");
}

#[test]
fn who_is_idle_for_the_keep_alive_time_goes() {
    let mut residency = three(200);
    use_once(&mut residency, "a", at(10));
    use_once(&mut residency, "b", at(50));
    assert_eq!(residency.next_expiry(), Some(at(310)));
    assert_eq!(residency.tick(at(309)), []);
    assert_eq!(residency.tick(at(310)), [unload("a")]);
    assert_eq!(residency.next_expiry(), Some(at(350)));
    residency.unloaded("a", at(311));
    let (_, acts) = residency.ask("a", at(312));
    assert_eq!(acts, [load("a", 140)]);
}

#[test]
fn a_keep_alive_of_zero_unloads_at_once_and_none_never() {
    for (keep_alive, expected) in [(Some(at(0)), vec![unload("a")]), (None, Vec::new())] {
        let mut residency = Residency::new(None, keep_alive);
        residency.add("a", 1, false);
        let (ticket, _) = residency.ask("a", at(0));
        assert_eq!(residency.loaded("a", 1, at(1)), [admit(ticket)]);
        assert_eq!(residency.finish("a", at(2)), expected);
        assert_eq!(residency.tick(at(1 << 40)), []);
    }
}

#[test]
fn who_left_while_a_model_loaded_does_not_keep_it() {
    let mut residency = three(100);
    let (ticket, _) = residency.ask("a", at(0));
    assert_eq!(residency.abandon("a", ticket, at(1)), []);
    assert_eq!(residency.loaded("a", 60, at(2)), []);
    assert_eq!(residency.standing("a").unwrap().users, 0);
    assert_eq!(residency.tick(at(302)), [unload("a")]);
}

#[test]
fn memory_that_others_took_is_made_up_for_by_idle_models() {
    let mut residency = three(200);
    use_once(&mut residency, "a", at(0));
    let (ticket, acts) = residency.ask("b", at(1));
    assert_eq!(acts, [load("b", 140)]);
    assert_eq!(residency.failed_for_memory("b", 70, at(2)), [unload("a")]);
    assert_eq!(residency.unloaded("a", at(3)), [load("b", 200)]);
    let failed = Act::Fail { ticket };
    assert_eq!(residency.failed_for_memory("b", 70, at(4)), [failed]);
}

#[test]
fn a_broken_model_is_loaded_anew_even_if_it_is_pinned() {
    let mut residency = Residency::new(Some(100), None);
    residency.add("a", 60, true);
    let (user, _) = residency.ask("a", at(0));
    assert_eq!(residency.loaded("a", 60, at(0)), [admit(user)]);
    assert_eq!(residency.broke("a", at(1)), []);
    let (next, acts) = residency.ask("a", at(2));
    assert_eq!(acts, [], "it would not answer");
    assert_eq!(residency.finish("a", at(3)), [unload("a")]);
    assert_eq!(residency.broke("a", at(3)), [], "it goes already");
    assert_eq!(residency.unloaded("a", at(4)), [load("a", 100)]);
    assert_eq!(residency.loaded("a", 60, at(5)), [admit(next)]);
}

#[test]
fn an_unknown_model_fails() {
    let (ticket, acts) = three(100).ask("z", at(0));
    assert_eq!(acts, [Act::Fail { ticket }]);
}

/// What a test does to the models.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Ask(usize),
    Abandon(usize),
    Finish(usize),
    /// The load or unload that runs ends; how, the number says.
    End(u64),
    Wait(u64),
    Break(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..5usize).prop_map(Operation::Ask),
        1 => (0..64usize).prop_map(Operation::Abandon),
        4 => (0..64usize).prop_map(Operation::Finish),
        6 => (0..100u64).prop_map(Operation::End),
        1 => (0..40u64).prop_map(Operation::Wait),
        1 => (0..5usize).prop_map(Operation::Break),
    ]
}

/// The models beside a plain account of what may be true of them.
struct World {
    residency: Residency,
    budget: u64,
    needed: BTreeMap<String, u64>,
    pinned: BTreeSet<String>,
    now: Moment,
    waiting: BTreeMap<Ticket, String>,
    using: Vec<String>,
    /// Bytes of what is in memory or on its way.
    held: BTreeMap<String, u64>,
    loading: Option<(String, u64)>,
    leaving: Vec<String>,
    broken: BTreeSet<String>,
}

impl World {
    fn new(budget: u64, keep_alive: u64) -> Self {
        let mut residency = Residency::new(Some(budget), Some(at(keep_alive)));
        let mut needed = BTreeMap::new();
        for (index, bytes) in [30, 50, 80, 20, 140].into_iter().enumerate() {
            residency.add(&format!("m{index}"), bytes, index == 3);
            needed.insert(format!("m{index}"), bytes);
        }
        Self {
            residency,
            budget,
            needed,
            pinned: BTreeSet::from(["m3".to_owned()]),
            now: at(0),
            waiting: BTreeMap::new(),
            using: Vec::new(),
            held: BTreeMap::new(),
            loading: None,
            leaving: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Ask(index) => {
                let id = format!("m{index}");
                let (ticket, acts) = self.residency.ask(&id, self.now);
                assert!(self.waiting.insert(ticket, id).is_none());
                self.obey(acts);
            }
            Operation::Abandon(which) => {
                let count = self.waiting.len().max(1);
                let Some((&ticket, id)) = self.waiting.iter().nth(which % count) else {
                    return;
                };
                let id = id.clone();
                self.waiting.remove(&ticket);
                let acts = self.residency.abandon(&id, ticket, self.now);
                self.obey(acts);
            }
            Operation::Finish(which) if !self.using.is_empty() => {
                let id = self.using.swap_remove(which % self.using.len());
                let acts = self.residency.finish(&id, self.now);
                self.obey(acts);
            }
            Operation::Finish(_) => {}
            Operation::End(how) => self.end(how),
            Operation::Break(index) => {
                let id = format!("m{index}");
                let is_ready = self.residency.standing(&id).unwrap().phase == Phase::Ready;
                self.broken.extend(is_ready.then_some(id.clone()));
                let acts = self.residency.broke(&id, self.now);
                self.obey(acts);
            }
            Operation::Wait(seconds) => {
                self.now += at(seconds);
                let acts = self.residency.tick(self.now);
                self.obey(acts);
            }
        }
    }

    /// A load or unload ends.
    fn end(&mut self, how: u64) {
        if let Some(id) = self.leaving.pop() {
            self.held.remove(&id);
            self.broken.remove(&id);
            let acts = self.residency.unloaded(&id, self.now);
            return self.obey(acts);
        }
        let Some((id, room)) = self.loading.take() else {
            return;
        };
        let needed = self.needed[&id];
        let acts = match how {
            0..10 => {
                self.held.remove(&id);
                self.residency.failed(&id, self.now)
            }
            10..15 => {
                self.held.remove(&id);
                self.residency.failed_for_memory(&id, needed, self.now)
            }
            _ => {
                let bytes = needed + (room - needed) * (how % 3) / 4;
                self.held.insert(id.clone(), bytes);
                self.residency.loaded(&id, bytes, self.now)
            }
        };
        self.obey(acts);
    }

    fn obey(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Load { id, room } => {
                    assert!(self.loading.is_none(), "one load at a time");
                    assert!(self.leaving.is_empty(), "first the room, then the load");
                    assert!(!self.held.contains_key(&id), "{id} is in memory");
                    assert!(room >= self.needed[&id], "{id} has {room} bytes");
                    self.held.insert(id.clone(), room);
                    self.loading = Some((id, room));
                }
                Act::Unload { id } => {
                    assert!(!self.using.contains(&id), "{id} is in use");
                    let may_go = !self.pinned.contains(&id) || self.broken.contains(&id);
                    assert!(may_go, "{id} is pinned");
                    assert!(self.held.contains_key(&id), "{id} is in memory");
                    assert!(!self.leaving.contains(&id), "{id} leaves twice");
                    self.leaving.push(id);
                }
                Act::Admit { ticket } => {
                    let id = self.waiting.remove(&ticket).expect("a ticket that waits");
                    assert!(self.held.contains_key(&id) && !self.leaving.contains(&id));
                    assert!(!self.broken.contains(&id), "{id} does not answer");
                    self.using.push(id);
                }
                Act::Refuse {
                    ticket,
                    needed,
                    available,
                } => {
                    assert!(needed > available);
                    assert!(self.waiting.remove(&ticket).is_some());
                }
                Act::Fail { ticket } => assert!(self.waiting.remove(&ticket).is_some()),
            }
        }
        let held: u64 = self.held.values().sum();
        assert!(held <= self.budget, "{held} bytes of {}", self.budget);
        for id in self.needed.keys() {
            let standing = self.residency.standing(id).unwrap();
            let users = self.using.iter().filter(|user| *user == id).count();
            let waiting = self.waiting.values().filter(|model| *model == id).count();
            assert_eq!((standing.users, standing.waiting), (users, waiting), "{id}");
        }
    }

    /// Everybody finishes, everything ends: then nobody may be left waiting.
    fn wind_down(&mut self) {
        for _ in 0..10_000 {
            if self.loading.is_some() || !self.leaving.is_empty() {
                self.end(99);
            } else if !self.using.is_empty() {
                self.apply(Operation::Finish(0));
            } else {
                break;
            }
        }
        assert!(self.waiting.is_empty(), "{:?}", self.waiting);
        assert!(self.residency.line.is_empty(), "{:?}", self.residency.line);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn whatever_happens_memory_is_bounded_answers_are_safe_and_nobody_is_forgotten(
        budget in 60..300u64,
        keep_alive in prop_oneof![Just(0u64), 1..100u64],
        operations in proptest::collection::vec(operation(), 0..300),
    ) {
        let mut world = World::new(budget, keep_alive);
        for operation in operations {
            world.apply(operation);
        }
        world.wind_down();
    }
}
