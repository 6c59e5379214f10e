//! `kill -9` in the midst of writing: what was acknowledged is there afterwards.
//!
//! `scripts/kill-store.sh` does many more rounds than the tests.

use crate::conformance::{Home, act, new_account};
use crate::{postgres, sqlite};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rustygpt_db::audit_chain::verify;
use rustygpt_db::postgres::PostgresStore;
use rustygpt_db::sqlite::SqliteStore;
use rustygpt_db::store::{AccountId, NewAccount, NewTask, Principal, Role, Store, TaskId};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use uuid::Uuid;

const PLACE: &str = "RUSTYGPT_TEST_KILLED_STORE";

fn rounds() -> u32 {
    let wanted = std::env::var("RUSTYGPT_TEST_KILL_ROUNDS").ok();
    wanted.and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// Not a test: the process that is killed. It writes accounts, each with a task and an audit entry,
/// and says which it has written.
#[tokio::test]
#[ignore = "run by the tests below"]
async fn writer() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let store: Box<dyn Store> = if place.starts_with("postgres:") {
        Box::new(PostgresStore::open(&place).await.unwrap())
    } else {
        Box::new(SqliteStore::open(Path::new(&place)).await.unwrap())
    };
    loop {
        let bytes = rustygpt_utils::random::bytes::<16>().unwrap();
        let id = Uuid::from_bytes(bytes);
        let account = NewAccount {
            id: AccountId(id),
            email: format!("{id}@example.org"),
            ..new_account(Role::User)
        };
        let mut act = act("account.create");
        act.tasks = vec![NewTask {
            id: TaskId(id),
            ..crate::conformance::tasks::new_task("a")
        }];
        store.create_account(&account, None, &act).await.unwrap();
        let mut output = std::io::stdout().lock();
        writeln!(output, "written {id}").unwrap();
        output.flush().unwrap();
    }
}

async fn survives(home: &dyn Home, place: &str) {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut written = Vec::new();
    for round in 0..rounds() {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["killed::writer", "--exact", "--ignored", "--nocapture"])
            .env(PLACE, place)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let last = 1 + random.next_u32() as usize % 20;
        let acknowledged = |line: &str| Some(line.split_once("written ")?.1.parse().unwrap());
        let ids = lines
            .by_ref()
            .filter_map(|line| acknowledged(&line.unwrap()))
            .take(last);
        let before = written.len();
        written.extend(ids.collect::<Vec<Uuid>>());
        assert_eq!(written.len() - before, last, "the writer ended by itself");
        // SIGKILL, while it writes the next.
        writer.kill().unwrap();
        // What it still said before it died was acknowledged too.
        written.extend(lines.filter_map(|line| acknowledged(&line.unwrap())));
        writer.wait().unwrap();
        let store = home.open().await;
        for id in &written[before..] {
            let account = store.account(Principal::Server, AccountId(*id)).await;
            assert!(account.unwrap().is_some(), "round {round} lost {id}");
            let task = store.task(Principal::Server, TaskId(*id)).await.unwrap();
            assert!(task.is_some(), "round {round} lost the task of {id}");
        }
        let verified = verify(&*store, None).await.unwrap();
        assert_eq!(verified.fault, None);
        // What was done without being acknowledged was done whole.
        let accounts = store.count_accounts().await.unwrap();
        assert_eq!(accounts, verified.entries);
        assert!(accounts >= written.len() as u64);
        store.close().await;
    }
}

#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged() {
    let home = sqlite::home().await.unwrap();
    survives(&home, home.path().to_str().unwrap()).await;
    home.is_sound().await;
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledged() {
    if let Some(home) = postgres::home().await {
        survives(&home, &home.url).await;
    }
}
