use super::accounts::{assert_conflict, assert_not_found};
use super::{Home, NOW, account, act, act_of, digest, id};
use rustygpt_db::store::{
    AccountId, ApiKeyId, Conflict, NewApiKey, Principal, Quota, QuotaPeriod, Role, Scope,
};
use std::time::Duration;

fn new_key(account: AccountId) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId(id()),
        account,
        name: "laptop".to_owned(),
        digest: digest(),
        hint: "sk-rustygpt-1a2b…".to_owned(),
        scopes: vec![Scope::Inference, Scope::Read],
        expires_at: Some(NOW.plus(Duration::from_secs(60))),
        requests_per_minute: Some(60),
        quota: Some(Quota {
            tokens: 1000,
            period: QuotaPeriod::Day,
        }),
    }
}

pub(crate) async fn a_key_is_found_by_its_digest_with_its_account(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let new = new_key(account.id);
    let act = act("api_key.create");
    let key = store.create_api_key(&new, &act).await.unwrap();
    assert_eq!(
        (
            &key.scopes,
            key.quota,
            key.requests_per_minute,
            key.expires_at
        ),
        (
            &new.scopes,
            new.quota,
            new.requests_per_minute,
            new.expires_at
        )
    );
    assert_conflict(&store.create_api_key(&new, &act).await, Conflict::IdTaken);
    let found = store.api_key_by_digest(new.digest).await.unwrap().unwrap();
    assert_eq!((&found.key, &found.account), (&key, &account));
    assert_eq!(found.digest, new.digest);
    assert_eq!(store.api_key_by_digest(digest()).await.unwrap(), None);
    let before = store.access_revision().await.unwrap();
    store.revoke_api_key(key.id, &act).await.unwrap();
    assert!(store.access_revision().await.unwrap() > before);
    let found = store.api_key_by_digest(new.digest).await.unwrap().unwrap();
    assert_eq!(found.key.revoked_at, Some(NOW));
    let nobodys = new_key(AccountId(id()));
    assert_not_found(&store.create_api_key(&nobodys, &act).await);
}

pub(crate) async fn keys_of_others_do_not_exist(home: &dyn Home) {
    let store = home.open().await;
    let (mine, other) = (
        account(&*store, Role::User).await,
        account(&*store, Role::User).await,
    );
    let key = store
        .create_api_key(&new_key(other.id), &act("api_key.create"))
        .await
        .unwrap();
    let me = Principal::Account(mine.id);
    let attack = act_of(me, "attack");
    assert_eq!(store.api_key(me, key.id).await.unwrap(), None);
    assert_eq!(store.api_keys(me, other.id).await.unwrap(), []);
    assert_not_found(&store.revoke_api_key(key.id, &attack).await);
    assert_not_found(&store.create_api_key(&new_key(other.id), &attack).await);
    let owner = Principal::Account(other.id);
    let listed = store.api_keys(owner, other.id).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&key));
    assert_eq!(store.api_key(owner, key.id).await.unwrap(), Some(key));
}

pub(crate) async fn a_key_is_touched_forward_only(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let key = store
        .create_api_key(&new_key(account.id), &act("api_key.create"))
        .await
        .unwrap();
    for at in [NOW, NOW.minus(Duration::from_secs(5))] {
        store.touch_api_key(key.id, at).await.unwrap();
        let found = store.api_key(Principal::Server, key.id).await.unwrap();
        assert_eq!(found.unwrap().last_used_at, Some(NOW));
    }
}
