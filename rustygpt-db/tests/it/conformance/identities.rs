use super::accounts::{assert_conflict, assert_not_found};
use super::{Home, NOW, account, act, act_of, at_once, new_account};
use rustygpt_db::store::{AccountId, Conflict, Identity, Principal, Role};

fn identity(account: AccountId, subject: &str) -> Identity {
    Identity {
        issuer: "https://issuer.example".to_owned(),
        subject: subject.to_owned(),
        account,
        email: Some("ada@issuer.example".to_owned()),
        linked_at: NOW,
    }
}

// Seen to fail on PostgreSQL without the lock on the account's row.
pub(crate) async fn an_identity_belongs_to_one_account(home: &dyn Home) {
    let store = home.open().await;
    let (one, two) = (
        account(&*store, Role::User).await,
        account(&*store, Role::User).await,
    );
    let linked = at_once(home, 8, move |store, turn| async move {
        let id = if turn % 2 == 0 { one.id } else { two.id };
        // On one's own behalf: the other's identity is not to be seen, and taken all the same.
        let act = act_of(Principal::Account(id), "identity.link");
        store.link_identity(&identity(id, "42"), &act).await
    })
    .await;
    let holder = store
        .account_by_identity("https://issuer.example", "42")
        .await
        .unwrap()
        .unwrap();
    for (turn, linked) in linked.iter().enumerate() {
        let id = if turn % 2 == 0 { one.id } else { two.id };
        if id == holder.id {
            assert!(linked.is_ok(), "{linked:?}");
        } else {
            assert_conflict(linked, Conflict::IdentityTaken);
        }
    }
    let me = Principal::Account(holder.id);
    let found = store.identities(me, holder.id).await.unwrap();
    assert_eq!(found, [identity(holder.id, "42")]);
    let other = if holder.id == one.id { two.id } else { one.id };
    let them = Principal::Account(other);
    assert_eq!(store.identities(them, holder.id).await.unwrap(), []);
    let attack = act_of(them, "attack");
    let issuer = "https://issuer.example";
    assert_not_found(
        &store
            .unlink_identity(holder.id, issuer, "42", &attack)
            .await,
    );
}

pub(crate) async fn an_account_is_made_with_its_identity(home: &dyn Home) {
    let store = home.open().await;
    let act = act("account.create");
    let first = new_account(Role::User);
    let made = store
        .create_account_with_identity(&first, &identity(first.id, "1"), None, &act)
        .await
        .unwrap();
    assert_eq!(made.id, first.id);
    // Where the identity is taken, no account is left behind.
    let second = new_account(Role::User);
    let refused = store
        .create_account_with_identity(&second, &identity(second.id, "1"), None, &act)
        .await;
    assert_conflict(&refused, Conflict::IdentityTaken);
    assert_eq!(store.count_accounts().await.unwrap(), 1);
}

// Seen to fail on PostgreSQL without the lock on the account's row.
pub(crate) async fn the_last_way_in_stays(home: &dyn Home) {
    let store = home.open().await;
    let mut new = new_account(Role::User);
    new.password_hash = None;
    let id = new.id;
    let act = act("identity.link");
    store
        .create_account_with_identity(&new, &identity(id, "a"), None, &act)
        .await
        .unwrap();
    store.link_identity(&identity(id, "b"), &act).await.unwrap();
    let unlinked = at_once(home, 2, move |store, turn| async move {
        let act = super::act("identity.unlink");
        let subject = ["a", "b"][turn];
        let issuer = "https://issuer.example";
        store.unlink_identity(id, issuer, subject, &act).await
    })
    .await;
    assert_eq!(unlinked.iter().filter(|done| done.is_ok()).count(), 1);
    let kept = store.identities(Principal::Server, id).await.unwrap();
    assert_eq!(kept.len(), 1);
    let act = super::act("account.change_password");
    store
        .change_password(id, "$argon2id$new", None, &act)
        .await
        .unwrap();
    store
        .unlink_identity(id, &kept[0].issuer, &kept[0].subject, &act)
        .await
        .unwrap();
}
