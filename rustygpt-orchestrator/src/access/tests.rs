//! Every caller, every action, every thing: the whole table, written out.

use super::*;

const ADA: AccountId = AccountId(uuid::Uuid::from_u128(1));
const BOB: AccountId = AccountId(uuid::Uuid::from_u128(2));

/// What `caller` may do, one letter an action, in the order of [`things`].
fn table(caller: &Caller) -> String {
    let actions = [
        (Action::View, 'v'),
        (Action::Generate, 'g'),
        (Action::Change, 'c'),
        (Action::Administer, 'a'),
    ];
    let things = [
        ("models", Thing::Models),
        ("model", Thing::Model("m")),
        ("status", Thing::Status),
        ("settings", Thing::Settings),
        ("own account", Thing::Account(ADA)),
        ("own credentials", Thing::Credentials(ADA)),
        ("other account", Thing::Account(BOB)),
        ("other credentials", Thing::Credentials(BOB)),
        ("accounts", Thing::Accounts),
        ("audit", Thing::Audit),
        ("tasks", Thing::Tasks),
    ];
    let rows = things.map(|(name, thing)| {
        let allowed = |&(action, _): &(Action, char)| authorize(caller, action, thing).is_ok();
        let letters: String = actions.iter().filter(|a| allowed(a)).map(|a| a.1).collect();
        (name, letters)
    });
    let rows = rows.iter().filter(|(_, letters)| !letters.is_empty());
    rows.map(|(name, letters)| format!("{name} {letters}"))
        .collect::<Vec<_>>()
        .join(", ")
}

const EVERYTHING: &str = "models vgca, model vgca, status vgca, settings vgca, own account vgca, \
    own credentials vgca, other account vgca, other credentials vgca, accounts vgca, audit vgca, \
    tasks vgca";

#[test]
fn people_may_do_what_their_role_says() {
    assert_eq!(table(&Caller::local_owner()), EVERYTHING);
    assert_eq!(table(&Caller::person(ADA, Role::Admin)), EVERYTHING);
    assert_eq!(
        table(&Caller::person(ADA, Role::User)),
        "models v, model vg, status v, own account vc, own credentials vc"
    );
    assert_eq!(
        table(&Caller::person(ADA, Role::ReadOnly)),
        "models v, model v, status v, own account v, own credentials vc"
    );
}

#[test]
fn a_key_narrows_what_its_account_may_do() {
    let key = |role, scopes: &[Scope]| {
        table(&Caller::program(
            ADA,
            role,
            Scopes::of(scopes.iter().copied()),
        ))
    };
    use Scope::{Admin, Inference, Read, Write};
    assert_eq!(key(Role::Admin, &[]), "");
    assert_eq!(
        key(Role::User, &[Inference]),
        "models v, model vg, status v"
    );
    assert_eq!(
        key(Role::Admin, &[Inference]),
        "models v, model vg, status v"
    );
    assert_eq!(
        key(Role::User, &[Read]),
        "models v, model v, status v, own account v"
    );
    assert_eq!(key(Role::User, &[Write]), "own account c");
    assert_eq!(
        key(Role::User, &[Inference, Read, Write, Admin]),
        "models v, model vg, status v, own account vc"
    );
    assert_eq!(
        key(Role::ReadOnly, &[Inference, Read, Write, Admin]),
        "models v, model v, status v, own account v"
    );
    let admin = key(Role::Admin, &[Admin]);
    assert!(
        admin.contains("accounts vgca") && admin.contains("audit vgca"),
        "{admin}"
    );
}

#[test]
fn the_local_key_reaches_inference_and_nothing_else() {
    for caller in [
        Caller::keyless(),
        Keyring::new([KeyDigest::of("k")]).caller("k").unwrap(),
    ] {
        assert_eq!(table(&caller), "models v, model vg, status v");
        assert_eq!(caller.account(), None);
    }
}

#[test]
fn accounts_do_not_share_cached_prefixes() {
    let ada = Caller::person(ADA, Role::User);
    let program = Caller::program(ADA, Role::User, Scopes::ALL);
    let bob = Caller::person(BOB, Role::User);
    assert_eq!(ada.cache_salt(), program.cache_salt());
    assert_ne!(ada.cache_salt(), bob.cache_salt());
    assert_ne!(ada.cache_salt(), Caller::keyless().cache_salt());
}
