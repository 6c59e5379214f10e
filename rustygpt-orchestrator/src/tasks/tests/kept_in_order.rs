//! Retention, archives and exports.

use super::*;
use crate::settings::Layers;
use rustygpt_db::audit_chain;
use rustygpt_db::audit_file;
use rustygpt_db::store::{AuditHead, Outcome};
use serde_json::json;
use std::path::Path;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn keeper(place: &Place, files: AuditFiles) -> Arc<Keeper> {
    Arc::new(Keeper {
        store: Arc::clone(&place.store),
        clock: Arc::clone(&place.clock) as _,
        settings: Layers::default(),
        files,
    })
}

fn start(place: &Place, keeper: &Arc<Keeper>) -> Running {
    let handlers = Handlers::new()
        .with::<Retention>(Arc::clone(keeper))
        .with::<AuditExport>(Arc::clone(keeper));
    Running::start(place.parts(handlers))
}

async fn done(place: &Place, worker: &Running, job: &impl Job) -> TaskId {
    let id = place.enqueue(job).await;
    worker.bell.ring();
    place.until(id, TaskState::Done).await;
    id
}

async fn append(place: &Place, times: usize) {
    for _ in 0..times {
        let act = Act::new(Principal::Server, place.now(), "test.done", "test");
        place.store.append_audit(&act, Outcome::Done).await.unwrap();
    }
}

async fn set(place: &Place, name: &str, value: serde_json::Value) {
    let act = Act::new(Principal::Server, place.now(), "setting.change", "test");
    let value = value.to_string();
    let store = &place.store;
    store
        .change_setting(name, &value, None, &act)
        .await
        .unwrap();
}

/// Reads a file of the log; it must be whole, and its owner's alone.
fn whole(folder: &Path, name: &str) -> AuditHead {
    let path = folder.join(name);
    #[cfg(unix)]
    for (path, mode) in [(path.as_path(), 0o600), (folder, 0o700)] {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode);
    }
    let verified = audit_file::verify(std::fs::read(path).unwrap().as_slice()).unwrap();
    assert_eq!(verified.fault, None);
    verified.head
}

#[tokio::test]
async fn an_export_is_a_whole_log_of_its_owner_alone() {
    let place = Place::new().await;
    let (files, folder) = files(&place, &Group::new());
    let worker = start(&place, &keeper(&place, files.clone()));
    assert_eq!(files.list().await.unwrap(), []);
    append(&place, 1100).await;
    let id = done(&place, &worker, &AuditExport {}).await;
    let name = format!("export-{id}.jsonl");
    let head = whole(&folder, &name);
    assert_eq!((head.pruned, head.last), (0, 1100));
    let listed = files.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, name);
    assert!(files.open(&name).await.unwrap().is_some());
    assert!(files.open("export-none.jsonl").await.unwrap().is_none());
    worker.stop().await;
}

#[tokio::test]
async fn old_entries_leave_the_store_only_for_a_file_that_holds_them() {
    let place = Place::new().await;
    let (files, folder) = files(&place, &Group::new());
    let worker = start(&place, &keeper(&place, files));
    append(&place, 5).await;
    place.clock.advance(100 * DAY);
    done(&place, &worker, &Retention {}).await;
    let head = place.store.audit_head().await.unwrap();
    assert_eq!(head.pruned, 0, "without a word in the settings all stays");

    set(&place, "keep_audit_days", json!(90)).await;
    // Where no file can be written, nothing goes.
    std::fs::write(&folder, "in the way").unwrap();
    let id = place.enqueue(&Retention {}).await;
    worker.bell.ring();
    let failed = loop {
        let task = place.task(id).await;
        if task.last_error.is_some() {
            break task;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        place.store.audit_head().await.unwrap().pruned,
        0,
        "{failed:?}"
    );
    std::fs::remove_file(&folder).unwrap();
    place.clock.advance(HOUR);
    worker.bell.ring();
    place.until(id, TaskState::Done).await;

    let first = whole(&folder, "archive-1-5.jsonl");
    let head = place.store.audit_head().await.unwrap();
    assert_eq!((head.pruned, head.pruned_hash), (5, first.last_hash));
    place.clock.advance(100 * DAY);
    done(&place, &worker, &Retention {}).await;
    let head = place.store.audit_head().await.unwrap();
    let second = whole(&folder, &format!("archive-6-{}.jsonl", head.pruned));
    assert_eq!(
        (second.pruned, second.pruned_hash),
        (first.last, first.last_hash)
    );
    let verified = audit_chain::verify(place.store.as_ref(), None)
        .await
        .unwrap();
    assert_eq!(verified.fault, None);
    assert!(verified.entries > 0, "that it was done is in the log");
    worker.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_forgotten_after_its_time() {
    let place = Place::new().await;
    let (files, _) = files(&place, &Group::new());
    let worker = start(&place, &keeper(&place, files));
    let old = done(&place, &worker, &AuditExport {}).await;
    place.clock.advance(20 * DAY);
    let newer = done(&place, &worker, &AuditExport {}).await;
    place.clock.advance(11 * DAY);
    done(&place, &worker, &Retention {}).await;
    let is_there = async |id| {
        place
            .store
            .task(Principal::Server, id)
            .await
            .unwrap()
            .is_some()
    };
    assert!(!is_there(old).await && is_there(newer).await);
    // A setting that is changed counts for the next run.
    set(&place, "keep_tasks_days", json!(10)).await;
    done(&place, &worker, &Retention {}).await;
    assert!(!is_there(newer).await);
    worker.stop().await;
}
