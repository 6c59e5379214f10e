use super::accounts::{assert_not_found, session};
use super::{Home, NOW, account, act, act_of, at_once, digest};
use rustygpt_db::store::{
    AccountState, Digest, Principal, RefreshRequest, Role, Rotation, Store, Timestamp,
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn request(presented: Digest, child: Digest, grace: Duration) -> RefreshRequest {
    RefreshRequest {
        presented,
        child,
        child_expires_at: NOW.plus(30 * MINUTE),
        grace,
    }
}

async fn refresh_at(
    store: &dyn Store,
    presented: Digest,
    child: Digest,
    at: Timestamp,
) -> Rotation {
    let mut act = act("session.refresh");
    act.at = at;
    let request = request(presented, child, Duration::ZERO);
    store.refresh_session(&request, &act).await.unwrap()
}

async fn burst(home: &dyn Home, token: Digest, grace: Duration) -> Vec<Rotation> {
    let burst = at_once(home, 100, move |store, _| async move {
        let act = act("session.refresh");
        let request = request(token, digest(), grace);
        store.refresh_session(&request, &act).await
    })
    .await;
    burst.into_iter().map(Result::unwrap).collect()
}

// Seen to fail on SQLite with `BEGIN` in place of `BEGIN IMMEDIATE`, and on PostgreSQL without the
// lock on the session's row.
pub(crate) async fn a_burst_of_refreshes_yields_one_child(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let session = session(&*store, &account).await;
    let rotations = burst(home, session.token, MINUTE).await;
    let is_rotated = |r: &&Rotation| matches!(r, Rotation::Rotated { .. });
    let raced = Rotation::Raced {
        session: session.id,
    };
    assert_eq!(rotations.iter().filter(is_rotated).count(), 1);
    assert_eq!(rotations.iter().filter(|r| **r == raced).count(), 99);
    let live = store.live_session(Principal::Server, session.id, NOW).await;
    assert!(live.unwrap().is_some());
}

// Seen to fail on SQLite with `BEGIN` in place of `BEGIN IMMEDIATE`, and on PostgreSQL without the
// lock on the session's row.
pub(crate) async fn without_grace_a_burst_revokes_the_family(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let session = session(&*store, &account).await;
    let rotations = burst(home, session.token, Duration::ZERO).await;
    let count = |wanted: fn(&Rotation) -> bool| rotations.iter().filter(|r| wanted(r)).count();
    assert_eq!(count(|r| matches!(r, Rotation::Rotated { .. })), 1);
    assert_eq!(count(|r| matches!(r, Rotation::Reused { .. })), 1);
    assert_eq!(count(|r| *r == Rotation::Refused), 98);
    let live = store.live_session(Principal::Server, session.id, NOW).await;
    assert_eq!(live.unwrap(), None);
}

pub(crate) async fn reuse_revokes_every_descendant(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let session = session(&*store, &account).await;
    let (child, grandchild) = (digest(), digest());
    for (parent, child) in [(session.token, child), (child, grandchild)] {
        let rotation = refresh_at(&*store, parent, child, NOW).await;
        let Rotation::Rotated {
            session: rotated,
            account: holder,
        } = rotation
        else {
            panic!("{rotation:?}");
        };
        assert_eq!((rotated.id, &holder), (session.id, &account));
    }
    let stolen = refresh_at(&*store, session.token, digest(), NOW).await;
    let reused = Rotation::Reused {
        session: session.id,
        account: account.id,
    };
    assert_eq!(stolen, reused);
    for token in [session.token, child, grandchild] {
        let refused = refresh_at(&*store, token, digest(), NOW).await;
        assert_eq!(refused, Rotation::Refused);
    }
}

pub(crate) async fn what_has_ended_is_not_refreshed(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let store = &*store;
    let refused = async |token, at| {
        let rotation = refresh_at(store, token, digest(), at).await;
        assert_eq!(rotation, Rotation::Refused);
    };
    refused(digest(), NOW).await;
    let one = session(store, &account).await;
    refused(one.token, one.token_expires_at).await;
    refused(one.token, one.expires_at).await;
    let act = act("session.revoke");
    store.revoke_session(one.id, &act).await.unwrap();
    store.revoke_session(one.id, &act).await.unwrap();
    refused(one.token, NOW).await;
    let (two, three) = (
        session(store, &account).await,
        session(store, &account).await,
    );
    let revoked = store
        .revoke_sessions(account.id, Some(three.id), &act)
        .await;
    assert_eq!(revoked.unwrap(), 1);
    refused(two.token, NOW).await;
    let listed = store
        .sessions(Principal::Server, account.id, NOW)
        .await
        .unwrap();
    assert_eq!(listed.iter().map(|s| s.id).collect::<Vec<_>>(), [three.id]);
    store
        .change_state(account.id, AccountState::Disabled, &act)
        .await
        .unwrap();
    refused(three.token, NOW).await;
    assert_eq!(store.prune_sessions(NOW).await.unwrap(), 0);
    let pruned = store.prune_sessions(NOW.plus(MINUTE)).await.unwrap();
    assert_eq!(pruned, 3);
}

pub(crate) async fn tokens_are_forgotten_after_their_end(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let session = session(&*store, &account).await;
    let child = digest();
    let rotated = refresh_at(&*store, session.token, child, NOW).await;
    assert!(matches!(rotated, Rotation::Rotated { .. }));
    let end = session.token_expires_at;
    assert_eq!(store.prune_refresh_tokens(end).await.unwrap(), 0);
    let after = Timestamp(end.0 + 1);
    assert!(store.prune_refresh_tokens(after).await.unwrap() >= 1);
    let late = refresh_at(&*store, session.token, digest(), NOW).await;
    assert_eq!(late, Rotation::Refused);
    let by = Principal::Server;
    let live = store.live_session(by, session.id, NOW).await.unwrap();
    assert!(live.is_some(), "the sign-in itself stays");
}

pub(crate) async fn sessions_of_others_do_not_exist(home: &dyn Home) {
    let store = home.open().await;
    let (mine, other) = (
        account(&*store, Role::User).await,
        account(&*store, Role::User).await,
    );
    let session = session(&*store, &other).await;
    let me = Principal::Account(mine.id);
    let attack = act_of(me, "attack");
    assert_eq!(store.live_session(me, session.id, NOW).await.unwrap(), None);
    assert_eq!(store.sessions(me, other.id, NOW).await.unwrap(), []);
    assert_not_found(&store.revoke_session(session.id, &attack).await);
    assert_not_found(&store.revoke_sessions(other.id, None, &attack).await);
    assert_not_found(&store.start_session(&session, &attack).await);
    let them = Principal::Account(other.id);
    let live = store.live_session(them, session.id, NOW).await.unwrap();
    assert!(live.is_some());
}
