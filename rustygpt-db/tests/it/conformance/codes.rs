use super::accounts::code;
use super::{Home, NOW, account, act, at_once};
use rustygpt_db::store::{CodePurpose, Role};
use std::time::Duration;

// One statement does it in both homes: there is no lock to take away.
pub(crate) async fn of_many_one_spends_a_code(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let code = code(&*store, CodePurpose::Open, Some(&account)).await;
    let spent = at_once(home, 20, move |store, _| async move {
        let act = act("code.spend");
        store.spend_code(code, CodePurpose::Open, None, &act).await
    })
    .await;
    let spent: Vec<_> = spent.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(spent.len(), 1);
    assert_eq!(spent[0].account, Some(account.id));
    assert_eq!(spent[0].payload, b"sealed");
}

pub(crate) async fn a_code_opens_only_its_own_thing(home: &dyn Home) {
    let store = home.open().await;
    let mine = account(&*store, Role::User).await;
    let other = account(&*store, Role::User).await;
    let code = code(&*store, CodePurpose::EmailVerification, Some(&mine)).await;
    let mut act = act("code.spend");
    let verify = CodePurpose::EmailVerification;
    let wrong = store.spend_code(code, CodePurpose::Open, None, &act).await;
    assert_eq!(wrong.unwrap(), None);
    let wrong = store.spend_code(code, verify, Some(other.id), &act).await;
    assert_eq!(wrong.unwrap(), None);
    act.at = NOW.plus(Duration::from_secs(60));
    let late = store.spend_code(code, verify, Some(mine.id), &act).await;
    assert_eq!(late.unwrap(), None);
    act.at = NOW;
    let right = store.spend_code(code, verify, Some(mine.id), &act).await;
    assert!(right.unwrap().is_some());
}

pub(crate) async fn a_new_code_replaces_the_one_before(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let act = act("code.spend");
    for (purpose, opens) in [
        (CodePurpose::Owner, false),
        (CodePurpose::PasswordReset, false),
        (CodePurpose::Open, true),
        (CodePurpose::Invitation, true),
    ] {
        let holder = (purpose == CodePurpose::PasswordReset).then_some(&account);
        let first = code(&*store, purpose, holder).await;
        let second = code(&*store, purpose, holder).await;
        for (digest, opens) in [(first, opens), (second, true)] {
            let spent = store.spend_code(digest, purpose, None, &act).await.unwrap();
            assert_eq!((purpose, spent.is_some()), (purpose, opens));
        }
    }
    let expired = code(&*store, CodePurpose::Open, None).await;
    let later = NOW.plus(Duration::from_secs(60));
    assert_eq!(store.prune_codes(NOW).await.unwrap(), 0);
    assert_eq!(store.prune_codes(later).await.unwrap(), 1);
    let spent = store
        .spend_code(expired, CodePurpose::Open, None, &act)
        .await;
    assert_eq!(spent.unwrap(), None);
}
