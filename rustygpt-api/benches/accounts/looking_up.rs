//! Authenticate and authorize, one request after the other and on every core at once.

use super::town::{Town, quantile};
use rustygpt_orchestrator::access::{Action, Thing, authorize};
use rustygpt_orchestrator::accounts::{Accounts, Presented};
use rustygpt_utils::tasks::Tasks;
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// What somebody presents, kept.
#[derive(Clone)]
enum Kept {
    Bearer(String),
    Cookie(String, String),
}

impl Kept {
    fn presented(&self) -> Presented<'_> {
        match self {
            Self::Bearer(text) => Presented::Bearer(text),
            Self::Cookie(token, proof) => Presented::Cookie {
                token,
                proof: Some(proof),
            },
        }
    }
}

/// Who presents this, and whether they may look at the models.
async fn once(accounts: &Accounts, kept: &Kept) -> bool {
    let who = accounts.authenticate(kept.presented()).await;
    let who = who.expect("the store answers");
    who.is_some_and(|who| authorize(who.caller(), Action::View, Thing::Models).is_ok())
}

/// Seconds per request, one after the other.
async fn one_by_one(accounts: &Accounts, kept: &Kept, count: usize) -> (f64, f64) {
    let mut seconds = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        black_box(once(accounts, kept).await);
        seconds.push(begun.elapsed().as_secs_f64());
    }
    (quantile(&mut seconds, 0.5), quantile(&mut seconds, 0.99))
}

/// Requests per second, as many at once as there are cores.
async fn all_at_once(accounts: &Arc<Accounts>, kept: &Kept, count: usize) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks = Tasks::new();
    let begun = Instant::now();
    let running: Vec<_> = (0..cores)
        .map(|_| {
            let (accounts, kept) = (Arc::clone(accounts), kept.clone());
            tasks.spawn(async move {
                for _ in 0..count {
                    black_box(once(&accounts, &kept).await);
                }
            })
        })
        .collect();
    for run in running {
        run.await.expect("no panic");
    }
    (cores * count) as f64 / begun.elapsed().as_secs_f64()
}

/// What was found on one home: warm by key, access token and cookie; and by a key that nobody
/// knows, for which the store is asked each time.
pub(crate) async fn measure(town: &Town, is_quick: bool) -> Value {
    let (warm, cold) = if is_quick {
        (500, 50)
    } else {
        (200_000, 5_000)
    };
    let signed_in = &town.signed_in;
    let token = signed_in.access_token.clone();
    let mut found = json!({});
    for (name, kept, count, opens) in [
        ("key", Kept::Bearer(town.key.clone()), warm, true),
        ("token", Kept::Bearer(token.clone()), warm, true),
        (
            "cookie",
            Kept::Cookie(token, signed_in.proof.clone()),
            warm,
            true,
        ),
        (
            "unknown_key",
            Kept::Bearer("sk-rustygpt-unknown".to_owned()),
            cold,
            false,
        ),
    ] {
        assert_eq!(once(&town.accounts, &kept).await, opens, "{name}");
        let (median, p99) = one_by_one(&town.accounts, &kept, count).await;
        found[format!("{name}_p50_seconds")] = json!(median);
        found[format!("{name}_p99_seconds")] = json!(p99);
        let rate = all_at_once(&town.accounts, &kept, count).await;
        found[format!("{name}_requests_per_second")] = json!(rate);
    }
    found
}
