use super::residency::Phase;
use super::*;
use rustygpt_model::contract::{
    CacheSalt, GenerateRequest, GenerationEvent, Input, Limits, ModelError, Priority, Sampling,
};
use rustygpt_model::scripted::{Failure, Script, scripted_model};
use rustygpt_utils::clock::ManualClock;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Loads a scripted model whenever the test lets it.
struct Scripted {
    id: &'static str,
    loads: AtomicUsize,
    /// One message lets one load go on; `None` lets all.
    gate: Option<Mutex<mpsc::Receiver<()>>>,
    /// Errors of the next loads.
    failures: Mutex<VecDeque<ModelError>>,
    /// Whether the engine of the first load panics.
    is_frail: bool,
}

impl Source for Scripted {
    fn load(&self, _room: Option<u64>) -> Result<Loaded, ModelError> {
        let load = self.loads.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.lock().unwrap().recv().unwrap();
        }
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        let script = Script::answering("x");
        let script = match self.is_frail && load == 0 {
            true => script.failing_at(1, Failure::Panic),
            false => script,
        };
        let model = scripted_model(self.id, script)?;
        Ok(Loaded {
            model: model.into(),
            bytes: 60,
        })
    }
}

impl Scripted {
    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

/// A server's models, a clock that stands and what loads.
struct House {
    models: Arc<Models>,
    clock: Arc<ManualClock>,
    sources: BTreeMap<&'static str, Arc<Scripted>>,
    gates: BTreeMap<&'static str, mpsc::Sender<()>>,
}

impl House {
    /// Models `a` and `b` of 60 bytes each, and `slow`, whose loads wait for the test.
    fn new(memory: u64, keep_alive: Option<u64>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let bounds = Bounds {
            memory: Some(memory),
            keep_alive: keep_alive.map(Duration::from_secs),
        };
        let mut models = Models::within(bounds, Arc::clone(&clock) as _, Tasks::new());
        let (mut sources, mut gates) = (BTreeMap::new(), BTreeMap::new());
        for id in ["a", "b", "slow"] {
            let (sender, gate) = mpsc::channel();
            let source = Arc::new(Scripted {
                id,
                loads: AtomicUsize::new(0),
                gate: (id == "slow").then_some(Mutex::new(gate)),
                failures: Mutex::default(),
                is_frail: id == "b",
            });
            gates.insert(id, sender);
            sources.insert(id, Arc::clone(&source));
            models.offer(offer(id, source)).unwrap();
        }
        models.alias("gpt-4o", "a").unwrap();
        Self {
            models: Arc::new(models),
            clock,
            sources,
            gates,
        }
    }

    async fn lease(&self, name: &str) -> Result<Lease, UseCaseError> {
        let caller = Caller::local_owner();
        self.models.lease(&caller, name, Capability::Language).await
    }

    fn phase(&self, id: &str) -> Phase {
        let mut all = self.models.overview();
        all.find(|it| it.about.id == id).unwrap().standing.phase
    }

    async fn until(&self, id: &str, wanted: Phase) {
        while self.phase(id) != wanted {
            tokio::task::yield_now().await;
        }
    }

    async fn until_waiting(&self, id: &str, count: usize) {
        let waiting = || {
            let mut all = self.models.overview();
            all.find(|it| it.about.id == id).unwrap().standing.waiting
        };
        while waiting() != count {
            tokio::task::yield_now().await;
        }
    }
}

fn offer(id: &str, source: Arc<Scripted>) -> Offer {
    Offer {
        about: About {
            id: id.to_owned(),
            capability: Capability::Language,
            architecture: "scripted".to_owned(),
            quantization: "none".to_owned(),
            parameters: 0,
            context_length: Some(7),
            created: 1,
        },
        needed_bytes: 60,
        is_pinned: false,
        source,
    }
}

fn hello() -> GenerateRequest {
    GenerateRequest {
        input: Input::Text("Hello".to_owned()),
        grammar: None,
        sampling: Sampling::default(),
        limits: Limits::default(),
        choices: 1,
        logprobs: None,
        prediction: None,
        priority: Priority::Interactive,
        deadline: None,
        cache_salt: CacheSalt::default(),
    }
}

fn unreadable() -> ModelError {
    ModelError::Unreadable {
        path: "/secret/place/a.gguf".into(),
        source: std::io::ErrorKind::NotFound.into(),
    }
}

#[tokio::test]
async fn a_model_is_loaded_when_it_is_asked_for_and_once_for_all_who_ask() {
    let house = House::new(100, None);
    assert_eq!(house.phase("a"), Phase::Absent);
    assert!(house.models.are_ready(), "it can be asked");
    let asked = (0..5).map(|_| house.lease("gpt-4o"));
    let leases = futures::future::join_all(asked).await;
    assert!(leases.iter().all(Result::is_ok));
    assert_eq!(house.sources["a"].loads(), 1);
    assert_eq!(house.phase("a"), Phase::Ready);
}

#[tokio::test]
async fn under_a_budget_of_one_models_take_turns_and_one_in_use_stays() {
    let house = House::new(100, None);
    let first = house.lease("a").await.unwrap();
    let mut second = std::pin::pin!(house.lease("b"));
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!(
        (house.phase("a"), house.phase("b")),
        (Phase::Ready, Phase::Awaited)
    );
    drop(first);
    drop(second.await.unwrap());
    assert_eq!(
        (house.phase("a"), house.phase("b")),
        (Phase::Absent, Phase::Ready)
    );
    drop(house.lease("a").await.unwrap());
    assert_eq!(house.sources["a"].loads(), 2);
}

#[tokio::test]
async fn a_failed_load_is_told_to_everyone_and_tried_again_by_the_next() {
    let house = House::new(100, None);
    house.sources["a"]
        .failures
        .lock()
        .unwrap()
        .push_back(unreadable());
    let asked = (0..3).map(|_| house.lease("a"));
    for outcome in futures::future::join_all(asked).await {
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("could not be loaded") && error.contains("not found"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(house.sources["a"].loads(), 1);
    house.lease("a").await.unwrap();
}

#[tokio::test]
async fn a_loader_that_panics_fails_the_load_and_nothing_else() {
    let mut house = House::new(100, None);
    // Without its other end the loader's gate panics.
    house.gates.remove("slow");
    let error = house.lease("slow").await.unwrap_err().to_string();
    assert!(error.contains("`slow` could not be loaded"), "{error}");
    house.lease("a").await.unwrap();
}

#[tokio::test]
async fn a_model_whose_engine_stopped_is_loaded_anew() {
    let house = House::new(100, None);
    let lease = house.lease("b").await.unwrap();
    let AnyModel::Language(model) = lease.model() else {
        panic!("it chats");
    };
    let generation = model.admit(hello()).await.unwrap();
    let events: Vec<_> = futures::StreamExt::collect(generation).await;
    assert!(
        matches!(events.last(), Some(GenerationEvent::Failed { .. })),
        "{events:?}"
    );
    while lease.model().status().stopped.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!house.models.are_ready());
    drop(lease);
    let lease = house.lease("b").await.unwrap();
    assert_eq!(house.sources["b"].loads(), 2);
    assert_eq!(lease.model().status().stopped, None);
}

#[tokio::test]
async fn what_can_never_fit_is_refused_before_loading() {
    let house = House::new(59, None);
    let error = house.lease("a").await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, UseCaseError::NoRoom { .. }), "{text}");
    assert!(text.contains("60 bytes") && text.contains("59"), "{text}");
    assert_eq!(house.sources["a"].loads(), 0);
}

#[tokio::test]
async fn a_model_that_nobody_uses_goes_when_its_time_has_come() {
    let house = House::new(200, Some(300));
    let lease = house.lease("a").await.unwrap();
    house.clock.advance(Duration::from_secs(1000));
    house.models.unload_idle();
    assert_eq!(house.phase("a"), Phase::Ready, "it is used");
    drop(lease);
    house.clock.advance(Duration::from_secs(299));
    house.models.unload_idle();
    assert_eq!(house.phase("a"), Phase::Ready);
    house.clock.advance(Duration::from_secs(1));
    house.models.unload_idle();
    house.until("a", Phase::Absent).await;
    assert!(house.models.loaded().is_empty());
    house.lease("a").await.unwrap();
    assert_eq!(house.sources["a"].loads(), 2);
}

#[tokio::test]
async fn the_tending_task_wakes_by_itself() {
    let house = House::new(200, Some(300));
    let tending = Tasks::new();
    tending.spawn(house.models.tend());
    drop(house.lease("a").await.unwrap());
    house.clock.advance(Duration::from_secs(300));
    // Any change has it look at the clock.
    let _lease = house.lease("b").await.unwrap();
    house.until("a", Phase::Absent).await;
}

#[tokio::test]
async fn who_goes_while_a_model_loads_leaves_no_trace() {
    let house = House::new(60, Some(0));
    {
        let mut asked = std::pin::pin!(house.lease("slow"));
        assert!(futures::poll!(&mut asked).is_pending());
        let mut behind = std::pin::pin!(house.lease("a"));
        assert!(futures::poll!(&mut behind).is_pending());
        house.until_waiting("a", 1).await;
    }
    house.until_waiting("slow", 0).await;
    house.until_waiting("a", 0).await;
    house.gates["slow"].send(()).unwrap();
    house.until("slow", Phase::Absent).await;
    assert_eq!(house.sources["a"].loads(), 0, "nobody wants it any more");
    drop(house.lease("a").await.unwrap());
}

#[tokio::test]
async fn pinned_models_are_loaded_at_start_and_stay() {
    let mut house = House::new(200, Some(0));
    let source = Arc::clone(&house.sources["a"]);
    let models = Arc::get_mut(&mut house.models).unwrap();
    let pinned = Offer {
        is_pinned: true,
        ..offer("pinned", source)
    };
    models.offer(pinned).unwrap();
    assert!(!house.models.are_ready());
    house.models.load_pinned().await.unwrap();
    assert!(house.models.are_ready());
    drop(house.lease("pinned").await.unwrap());
    assert_eq!(house.phase("pinned"), Phase::Ready);
}

#[tokio::test]
async fn the_list_has_all_names_loaded_or_not_and_nobody_is_given_the_wrong_kind() {
    let house = House::new(100, None);
    let caller = Caller::keyless();
    let names = || house.models.names(&caller, |_| true);
    assert_eq!(names(), ["a", "b", "gpt-4o", "slow"]);
    assert_eq!(
        house.models.view(&caller, "gpt-4o").unwrap().context_length,
        Some(7)
    );
    let lease = house.lease("a").await.unwrap();
    let context_length = Some(lease.model().description().context_length);
    assert_eq!(names(), ["a", "b", "gpt-4o", "slow"]);
    let about = house.models.view(&caller, "gpt-4o").unwrap();
    assert_eq!(about.context_length, context_length, "now it is known");
    let wrong = house
        .models
        .lease(&caller, "b", Capability::Embedding)
        .await;
    assert!(matches!(wrong, Err(UseCaseError::WrongKind { .. })));
    assert_eq!(house.sources["b"].loads(), 0);
    let unknown = house.models.lease(&caller, "z", Capability::Language).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("a, b, gpt-4o, slow"), "{unknown}");
}
