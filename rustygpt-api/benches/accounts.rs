//! What it costs to know who asks and whether they may, on both homes of the store, and what a
//! flood of sign-ins does to everybody else. Prints JSON; `scripts/bench/accounts.py` keeps it.
//!
//! `cargo bench -p rustygpt-api --bench accounts [-- --quick]`

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot start has nothing to say, and what it found is its output"
)]

mod accounts {
    pub(crate) mod flood;
    pub(crate) mod looking_up;
    pub(crate) mod town;
}

use accounts::{flood, looking_up, town::Town};
use serde_json::json;

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let found = runtime.block_on(async {
        let mut found = json!({});
        for town in [Some(Town::on_sqlite().await), Town::on_postgres().await] {
            let Some(town) = town else { continue };
            found[town.home] = looking_up::measure(&town, is_quick).await;
        }
        let town = Town::on_sqlite().await;
        found["flood"] = flood::measure(&town, is_quick).await;
        found
    });
    println!("{found:#}");
}
