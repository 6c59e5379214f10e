use super::accounts::assert_conflict;
use super::{Home, NOW, account, act, act_of, at_once, new_account};
use rustygpt_db::audit_chain::{AuditFault, ChainVerifier, entry_hash, verify};
use rustygpt_db::audit_file;
use rustygpt_db::store::{AuditEntry, AuditFilter, Conflict, Outcome, Principal, Role, Store};

pub(crate) async fn entries(store: &dyn Store, by: Principal) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        limit: 10_000,
        ..AuditFilter::default()
    };
    store.audit_entries(by, &filter).await.unwrap()
}

pub(crate) async fn an_act_and_its_entry_happen_together(home: &dyn Home) {
    let store = home.open().await;
    let new = new_account(Role::User);
    let mut act = act_of(Principal::Server, "account.create");
    act.request = "req_1".to_owned();
    act.address = "192.0.2.1".to_owned();
    act.detail = "{\"why\":\"because, 1:2 – ü\"}".to_owned();
    store.create_account(&new, None, &act).await.unwrap();
    let refused = store.create_account(&new, None, &act).await;
    assert!(matches!(
        refused,
        Err(rustygpt_db::store::StoreError::Conflict(_))
    ));
    store.append_audit(&act, Outcome::Failed).await.unwrap();
    let found = entries(&*store, Principal::Server).await;
    let [done, failed] = found.as_slice() else {
        panic!("{found:?}");
    };
    let mut wanted = AuditEntry {
        sequence: 1,
        at: NOW,
        by: act.by,
        action: act.action,
        object: act.object,
        outcome: Outcome::Done,
        request: act.request,
        address: act.address,
        detail: act.detail,
        previous: [0; 32],
        hash: [0; 32],
    };
    // Both homes make the same hash of the same entry.
    wanted.hash = entry_hash(&wanted);
    assert_eq!(*done, wanted);
    assert_eq!((failed.sequence, failed.outcome), (2, Outcome::Failed));
    assert_eq!(failed.previous, wanted.hash);
}

// Seen to fail on SQLite with `BEGIN` in place of `BEGIN IMMEDIATE`, and on PostgreSQL without the
// lock on `audit_head`.
pub(crate) async fn the_chain_holds_under_parallel_acts(home: &dyn Home) {
    let store = home.open().await;
    let done = at_once(home, 60, |store, turn| async move {
        if turn % 2 == 0 {
            let act = act("account.create");
            let account = new_account(Role::User);
            store.create_account(&account, None, &act).await.map(drop)
        } else {
            store.append_audit(&act("model.load"), Outcome::Done).await
        }
    })
    .await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let verified = verify(&*store, None).await.unwrap();
    assert_eq!((verified.entries, verified.fault), (60, None));
    // What was noted elsewhere is found again; what never was is missed.
    let anchor = Some((verified.head.last, verified.head.last_hash));
    assert_eq!(verify(&*store, anchor).await.unwrap().fault, None);
    for wrong in [(60, [7; 32]), (61, [7; 32])] {
        assert!(verify(&*store, Some(wrong)).await.unwrap().fault.is_some());
    }
    let mut chain = entries(&*store, Principal::Server).await;
    chain.swap(3, 4);
    let mut verifier = ChainVerifier::new(&verified.head);
    assert!(chain.iter().any(|entry| verifier.check(entry).is_err()));
}

pub(crate) async fn pruning_keeps_the_chain(home: &dyn Home) {
    let store = home.open().await;
    for action in ["a.a", "a.b", "b.a", "a.c", "a.d"] {
        store
            .append_audit(&act(action), Outcome::Done)
            .await
            .unwrap();
    }
    let before = entries(&*store, Principal::Server).await;
    let prune = async |through: i64, hash: [u8; 32]| {
        store.prune_audit(through, hash, &act("audit.prune")).await
    };
    assert_conflict(&prune(2, before[0].hash).await, Conflict::Stale);
    assert_conflict(&prune(9, before[1].hash).await, Conflict::Stale);
    assert_eq!(prune(2, before[1].hash).await.unwrap(), 2);
    assert_conflict(&prune(2, before[1].hash).await, Conflict::Stale);
    let kept = entries(&*store, Principal::Server).await;
    assert_eq!(
        kept.iter().map(|e| e.sequence).collect::<Vec<_>>(),
        [3, 4, 5, 6]
    );
    assert_eq!(verify(&*store, None).await.unwrap().fault, None);
    let filter = AuditFilter {
        after: 3,
        limit: 2,
        action_prefix: "a.".to_owned(),
    };
    let found = store
        .audit_entries(Principal::Server, &filter)
        .await
        .unwrap();
    assert_eq!(
        found.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(),
        ["a.c", "a.d"]
    );
    let last = kept.last().unwrap();
    assert_eq!(prune(last.sequence, last.hash).await.unwrap(), 4);
    let verified = verify(&*store, None).await.unwrap();
    assert_eq!((verified.entries, verified.fault), (1, None));
}

pub(crate) async fn an_account_sees_its_own_entries(home: &dyn Home) {
    let store = home.open().await;
    let one = account(&*store, Role::User).await;
    let two = account(&*store, Role::User).await;
    let me = Principal::Account(one.id);
    for by in [me, Principal::Account(two.id), Principal::Admin(two.id)] {
        let act = act_of(by, "test.done");
        store.append_audit(&act, Outcome::Done).await.unwrap();
    }
    let own = entries(&*store, me).await;
    assert_eq!(own.iter().map(|e| e.by).collect::<Vec<_>>(), [me]);
    assert_eq!(entries(&*store, Principal::Admin(two.id)).await.len(), 5);
    let missing = store.delete_account(two.id, &act_of(me, "attack")).await;
    assert!(missing.is_err());
    let last = new_account(Role::User);
    let act = act("account.create");
    let same = store
        .create_account(&last, Some(super::digest()), &act)
        .await;
    assert_conflict(&same, Conflict::CodeInvalid);
    assert_eq!(entries(&*store, Principal::Server).await.len(), 5);
}

pub(crate) async fn a_log_written_to_a_file_verifies_there(home: &dyn Home) {
    let store = home.open().await;
    let admin = account(&*store, Role::Admin).await;
    for by in [Principal::Server, Principal::Admin(admin.id)] {
        let mut act = act_of(by, "test.\"done\"\n");
        act.detail = "{\"ä\":\"\u{2028}\"}".to_owned();
        store.append_audit(&act, Outcome::Failed).await.unwrap();
    }
    let head = store.audit_head().await.unwrap();
    let lines: Vec<String> = std::iter::once(audit_file::head_line(&head))
        .chain(
            entries(&*store, Principal::Server)
                .await
                .iter()
                .map(audit_file::entry_line),
        )
        .collect();
    let verified = |lines: &[String]| audit_file::verify(lines.concat().as_bytes()).unwrap();
    let whole = verified(&lines);
    assert_eq!((whole.entries, whole.head, whole.fault), (3, head, None));
    let mut changed = lines.clone();
    changed[2] = changed[2].replace("failed", "done");
    assert_eq!(verified(&changed).fault, Some(AuditFault::Changed(2)));
    let mut cut = lines.clone();
    cut.remove(1);
    assert_eq!(verified(&cut).fault, Some(AuditFault::OutOfPlace(1)));
    let mut short = lines;
    short.pop();
    assert!(verified(&short).fault.is_some());
}
