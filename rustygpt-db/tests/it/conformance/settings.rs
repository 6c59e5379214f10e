use super::accounts::assert_conflict;
use super::{Home, NOW, account, act, act_of, at_once};
use rustygpt_db::store::{Conflict, Principal, Role, Setting};

pub(crate) async fn a_setting_changes_only_from_what_was_read(home: &dyn Home) {
    let store = home.open().await;
    let admin = account(&*store, Role::Admin).await;
    let act = act_of(Principal::Admin(admin.id), "setting.change");
    let change = |value, expected| store.change_setting("sign_up", value, expected, &act);
    let mut wanted = Setting {
        name: "sign_up".to_owned(),
        value: "\"closed\"".to_owned(),
        revision: 1,
        changed_at: NOW,
        changed_by: Some(admin.id),
    };
    assert_conflict(&change("\"closed\"", Some(1)).await, Conflict::Stale);
    assert_eq!(change("\"closed\"", Some(0)).await.unwrap(), wanted);
    assert_conflict(&change("\"open\"", Some(0)).await, Conflict::Stale);
    wanted.value = "\"open\"".to_owned();
    wanted.revision = 2;
    assert_eq!(change("\"open\"", None).await.unwrap(), wanted);
    assert_eq!(store.settings().await.unwrap(), [wanted]);
    for _ in 0..2 {
        store.remove_setting("sign_up", &act).await.unwrap();
        assert_eq!(store.setting("sign_up").await.unwrap(), None);
    }
}

// Seen to fail on SQLite with `BEGIN` in place of `BEGIN IMMEDIATE`.
pub(crate) async fn of_parallel_changes_one_wins(home: &dyn Home) {
    let store = home.open().await;
    let changed = at_once(home, 12, |store, turn| async move {
        let act = act("setting.change");
        store
            .change_setting("limit", &turn.to_string(), Some(0), &act)
            .await
    })
    .await;
    assert_eq!(changed.iter().filter(|done| done.is_ok()).count(), 1);
    for lost in changed.iter().filter(|done| done.is_err()) {
        assert_conflict(lost, Conflict::Stale);
    }
    assert_eq!(store.settings().await.unwrap()[0].revision, 1);
}
