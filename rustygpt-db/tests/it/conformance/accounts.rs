use super::{Home, NOW, account, act, act_of, at_once, digest, id, new_account};
use rustygpt_db::store::{
    Account, AccountState, Act, AuditFilter, CodePurpose, Conflict, LockPolicy, NewCode,
    NewSession, Page, Principal, Role, SessionId, Store, StoreError, Timestamp, UsageReport,
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn code(
    store: &dyn Store,
    purpose: CodePurpose,
    account: Option<&Account>,
) -> rustygpt_db::store::Digest {
    let code = NewCode {
        digest: digest(),
        purpose,
        account: account.map(|account| account.id),
        payload: b"sealed".to_vec(),
        expires_at: NOW.plus(MINUTE),
    };
    store.issue_code(&code, &act("code.issue")).await.unwrap();
    code.digest
}

pub(crate) async fn session(store: &dyn Store, account: &Account) -> NewSession {
    let session = NewSession {
        id: SessionId(id()),
        account: account.id,
        token: digest(),
        token_expires_at: NOW.plus(30 * MINUTE),
        address: "127.0.0.1".to_owned(),
        user_agent: "test".to_owned(),
        expires_at: NOW.plus(60 * MINUTE),
    };
    let act = act("session.start");
    store.start_session(&session, &act).await.unwrap();
    session
}

async fn is_live(store: &dyn Store, session: &NewSession) -> bool {
    let found = store.live_session(Principal::Server, session.id, NOW).await;
    found.unwrap().is_some()
}

#[track_caller]
pub(crate) fn assert_conflict<T: std::fmt::Debug>(
    result: &Result<T, StoreError>,
    wanted: Conflict,
) {
    assert!(
        matches!(result, Err(StoreError::Conflict(found)) if *found == wanted),
        "{result:?} is not {wanted:?}"
    );
}

#[track_caller]
pub(crate) fn assert_not_found<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::NotFound { .. })),
        "{result:?}"
    );
}

// Seen to fail on PostgreSQL without the lock on `access`.
pub(crate) async fn the_owner_is_made_once_by_the_code(home: &dyn Home) {
    let store = home.open().await;
    let wrong = store
        .create_owner(&new_account(Role::Admin), digest(), &act("owner.create"))
        .await;
    assert_conflict(&wrong, Conflict::CodeInvalid);
    let code = code(&*store, CodePurpose::Owner, None).await;
    let made = at_once(home, 12, |store, _| async move {
        store
            .create_owner(&new_account(Role::Admin), code, &act("owner.create"))
            .await
    })
    .await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refused in made.iter().filter(|made| made.is_err()) {
        assert_conflict(refused, Conflict::OwnerExists);
    }
    assert_eq!(store.count_accounts().await.unwrap(), 1);
}

pub(crate) async fn an_email_address_belongs_to_one_account(home: &dyn Home) {
    let store = home.open().await;
    let first = account(&*store, Role::User).await;
    let mut second = new_account(Role::User);
    second.email.clone_from(&first.email);
    let act = act("account.create");
    let made = store.create_account(&second, None, &act).await;
    assert_conflict(&made, Conflict::EmailTaken);
    second.email = "other@example.org".to_owned();
    let second = store.create_account(&second, None, &act).await.unwrap();
    let moved = store
        .change_profile(second.id, "Bob", &first.email, true, &act)
        .await;
    assert_conflict(&moved, Conflict::EmailTaken);
    let moved = store
        .change_profile(second.id, "Bob", "bob@example.org", false, &act)
        .await
        .unwrap();
    assert_eq!(
        (
            moved.name.as_str(),
            moved.email.as_str(),
            moved.is_email_verified
        ),
        ("Bob", "bob@example.org", false)
    );
    let found = store.credentials_by_email("bob@example.org").await.unwrap();
    assert_eq!(found.unwrap().account, moved);
    let listed = store
        .accounts(Principal::Server, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(listed, [first, moved]);
}

pub(crate) async fn an_invitation_opens_one_account(home: &dyn Home) {
    let store = home.open().await;
    let code = code(&*store, CodePurpose::Invitation, None).await;
    let made = at_once(home, 6, |store, _| async move {
        let account = new_account(Role::User);
        let act = act("account.create");
        store.create_account(&account, Some(code), &act).await
    })
    .await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(store.count_accounts().await.unwrap(), 1);
}

const POLICY: LockPolicy = LockPolicy {
    limit: 10,
    window: MINUTE,
    lock: MINUTE,
};

// One statement does it in both homes: there is no lock to take away.
pub(crate) async fn parallel_failures_are_each_counted_and_lock(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let counted = at_once(home, 9, move |store, _| async move {
        let act = act("account.sign_in");
        store.record_sign_in_failure(account.id, POLICY, &act).await
    })
    .await;
    let mut counts: Vec<u32> = counted.into_iter().map(|c| c.unwrap().count).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=9).collect::<Vec<u32>>());
    let act = act("account.sign_in");
    let last = store
        .record_sign_in_failure(account.id, POLICY, &act)
        .await
        .unwrap();
    assert_eq!(
        (last.count, last.locked_until),
        (10, Some(NOW.plus(MINUTE)))
    );
    session(&*store, &account).await;
    let after = store
        .credentials(Principal::Server, account.id)
        .await
        .unwrap();
    assert_eq!(after.unwrap().failures, Default::default());
}

pub(crate) async fn failures_long_past_are_forgotten(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let mut act = act("account.sign_in");
    for (later, count) in [(0, 1), (59, 2), (61, 1)] {
        act.at = NOW.plus(Duration::from_secs(later));
        let failures = store
            .record_sign_in_failure(account.id, POLICY, &act)
            .await
            .unwrap();
        assert_eq!((later, failures.count), (later, count));
    }
}

pub(crate) async fn a_password_change_ends_the_other_sessions(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let (kept, ended) = (
        session(&*store, &account).await,
        session(&*store, &account).await,
    );
    let act = act("account.change_password");
    store
        .change_password(account.id, "$argon2id$second", Some(kept.id), &act)
        .await
        .unwrap();
    assert!(is_live(&*store, &kept).await);
    assert!(!is_live(&*store, &ended).await);
    let found = store
        .credentials(Principal::Server, account.id)
        .await
        .unwrap();
    let hash = found.unwrap().password_hash;
    assert_eq!(hash.as_deref(), Some("$argon2id$second"));
}

pub(crate) async fn a_reset_code_sets_one_password(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let session = session(&*store, &account).await;
    let reset = code(&*store, CodePurpose::PasswordReset, Some(&account)).await;
    let act = act("account.reset_password");
    let set = store.reset_password(reset, "$argon2id$second", &act).await;
    assert_eq!(set.unwrap(), account.id);
    assert!(!is_live(&*store, &session).await);
    let again = store.reset_password(reset, "$argon2id$third", &act).await;
    assert_conflict(&again, Conflict::CodeInvalid);
}

pub(crate) async fn a_newer_hash_never_undoes_a_change(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let rehash = |old, new| store.rehash_password(account.id, old, new);
    assert!(
        rehash("$argon2id$first", "$argon2id$stronger")
            .await
            .unwrap()
    );
    assert!(!rehash("$argon2id$first", "$argon2id$late").await.unwrap());
}

// One statement does it in both homes: there is no lock to take away.
pub(crate) async fn a_totp_step_opens_once(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let codes = [digest(), digest()];
    let act = act("account.change_totp");
    store
        .change_totp(account.id, Some(b"sealed"), &codes, &act)
        .await
        .unwrap();
    let found = store
        .credentials(Principal::Server, account.id)
        .await
        .unwrap();
    let found = found.unwrap();
    assert_eq!(found.totp_sealed.as_deref(), Some(b"sealed".as_slice()));
    assert!(found.account.has_totp);
    let used = at_once(home, 12, move |store, _| async move {
        store.use_totp_step(account.id, 100).await
    })
    .await;
    let opened = used
        .into_iter()
        .filter(|used| *used.as_ref().unwrap())
        .count();
    assert_eq!(opened, 1);
    assert!(!store.use_totp_step(account.id, 99).await.unwrap());
    assert!(store.use_totp_step(account.id, 101).await.unwrap());
    let recover = |digest| store.spend_code(digest, CodePurpose::Recovery, Some(account.id), &act);
    assert!(recover(codes[0]).await.unwrap().is_some());
    store
        .change_totp(account.id, None, &[], &act)
        .await
        .unwrap();
    assert!(recover(codes[1]).await.unwrap().is_none());
}

// Seen to fail on PostgreSQL without the lock on `access`.
pub(crate) async fn the_last_admin_stays(home: &dyn Home) {
    let store = home.open().await;
    let (one, two) = (
        account(&*store, Role::Admin).await,
        account(&*store, Role::Admin).await,
    );
    let user = account(&*store, Role::User).await;
    let demoted = at_once(home, 8, move |store, turn| async move {
        let id = if turn % 2 == 0 { one.id } else { two.id };
        let act = act("account.change_role");
        match turn % 3 {
            0 => store.change_role(id, Role::User, &act).await.map(drop),
            1 => {
                let state = AccountState::Disabled;
                store.change_state(id, state, &act).await.map(drop)
            }
            _ => store.delete_account(id, &act).await,
        }
    })
    .await;
    assert!(demoted.iter().any(Result::is_ok));
    let all = store
        .accounts(Principal::Server, Page::FIRST)
        .await
        .unwrap();
    let admins: Vec<&Account> = all
        .iter()
        .filter(|a| a.role == Role::Admin && a.state == AccountState::Active)
        .collect();
    assert_eq!(admins.len(), 1);
    let last = admins[0].id;
    let own = act_of(Principal::Account(last), "account.delete");
    assert_conflict(&store.delete_account(last, &own).await, Conflict::LastAdmin);
    let act = act("account.change_role");
    store.change_role(user.id, Role::Admin, &act).await.unwrap();
    store.delete_account(last, &own).await.unwrap();
}

pub(crate) async fn a_deleted_account_leaves_only_its_audit_entries(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    session(&*store, &account).await;
    let report = UsageReport {
        account: account.id,
        key: None,
        model: "m".to_owned(),
        at: NOW,
        prompt_tokens: 1,
        cached_tokens: 0,
        completion_tokens: 1,
    };
    store.record_usage(&report).await.unwrap();
    let own = act_of(Principal::Account(account.id), "account.delete");
    store.delete_account(account.id, &own).await.unwrap();
    assert_not_found(
        &store
            .delete_account(account.id, &act("account.delete"))
            .await,
    );
    store.record_usage(&report).await.unwrap();
    let server = Principal::Server;
    assert_eq!(store.account(server, account.id).await.unwrap(), None);
    assert_eq!(store.sessions(server, account.id, NOW).await.unwrap(), []);
    let until = Timestamp(i64::MAX);
    let days = store
        .usage_days(server, None, Timestamp(0), until, Page::FIRST)
        .await;
    assert_eq!(days.unwrap(), []);
    let filter = AuditFilter {
        after: 0,
        limit: 10,
        action_prefix: "account.delete".to_owned(),
    };
    let entries = store.audit_entries(server, &filter).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].by, own.by);
}

pub(crate) async fn accounts_of_others_do_not_exist(home: &dyn Home) {
    let store = home.open().await;
    let (mine, other) = (
        account(&*store, Role::User).await,
        account(&*store, Role::User).await,
    );
    let me = Principal::Account(mine.id);
    assert_eq!(
        store.account(me, mine.id).await.unwrap(),
        Some(mine.clone())
    );
    assert_eq!(store.account(me, other.id).await.unwrap(), None);
    assert_eq!(store.credentials(me, other.id).await.unwrap(), None);
    let listed = store.accounts(me, Page::FIRST).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&mine));
    let act: Act = act_of(me, "attack");
    let id = other.id;
    assert_not_found(&store.change_profile(id, "x", "x@x", true, &act).await);
    assert_not_found(&store.change_password(id, "x", None, &act).await);
    assert_not_found(&store.change_totp(id, None, &[], &act).await);
    assert_not_found(&store.change_role(id, Role::Admin, &act).await);
    assert_not_found(&store.change_state(id, AccountState::Disabled, &act).await);
    assert_not_found(&store.delete_account(id, &act).await);
    let untouched = store.account(Principal::Admin(mine.id), id).await.unwrap();
    assert_eq!(untouched, Some(other));
}

pub(crate) async fn what_takes_access_away_moves_the_revision(home: &dyn Home) {
    let store = home.open().await;
    let account = account(&*store, Role::User).await;
    let session = session(&*store, &account).await;
    let act = act("test");
    let mut revision = store.access_revision().await.unwrap();
    let mut moved = async |what: &str| {
        let now = store.access_revision().await.unwrap();
        assert!(now > revision, "{what}");
        revision = now;
    };
    store.revoke_session(session.id, &act).await.unwrap();
    moved("session").await;
    store
        .change_role(account.id, Role::ReadOnly, &act)
        .await
        .unwrap();
    moved("role").await;
    store
        .change_password(account.id, "x", None, &act)
        .await
        .unwrap();
    moved("password").await;
    store
        .change_state(account.id, AccountState::Disabled, &act)
        .await
        .unwrap();
    moved("state").await;
    let refused = store
        .start_session(
            &NewSession {
                id: SessionId(id()),
                token: digest(),
                ..session
            },
            &act,
        )
        .await;
    assert_conflict(&refused, Conflict::AccountDisabled);
    store.delete_account(account.id, &act).await.unwrap();
    moved("deletion").await;
}
