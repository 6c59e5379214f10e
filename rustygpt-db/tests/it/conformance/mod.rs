//! What every home must do. Each test gets a database of its own; `stamp!` makes one `#[test]` of
//! each for one home.
//!
//! Tests of concurrency open the database several times, as several processes would.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod codes;
pub(crate) mod identities;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod tasks;
pub(crate) mod usage;
pub(crate) mod workers;

use futures::future::join_all;
use rustygpt_db::store::{
    Account, AccountId, Act, Digest, NewAccount, Principal, Role, Store, StoreResult, Timestamp,
};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// One test's own database, which can be opened many times.
#[async_trait::async_trait]
pub(crate) trait Home: Send + Sync {
    /// Opens it once more, with connections of its own.
    async fn open(&self) -> Arc<dyn Store>;
}

/// When the tests happen: 2026-01-15T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_768_478_400_000);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An id that no other test of this process has.
pub(crate) fn id() -> Uuid {
    Uuid::from_u128(u128::from(NEXT_ID.fetch_add(1, Ordering::Relaxed)))
}

/// A digest that no other test of this process has.
pub(crate) fn digest() -> Digest {
    Digest::of(&format!("secret {}", id()))
}

/// An act of the server, now.
pub(crate) fn act(action: &str) -> Act {
    Act::new(Principal::Server, NOW, action, "test")
}

/// An act of someone, now.
pub(crate) fn act_of(by: Principal, action: &str) -> Act {
    Act::new(by, NOW, action, "test")
}

/// An account to be made, with an e-mail address of its own and a password.
pub(crate) fn new_account(role: Role) -> NewAccount {
    let id = id();
    NewAccount {
        id: AccountId(id),
        email: format!("{id}@example.org"),
        is_email_verified: true,
        name: "Ada".to_owned(),
        role,
        password_hash: Some("$argon2id$first".to_owned()),
    }
}

/// Makes an account.
pub(crate) async fn account(store: &dyn Store, role: Role) -> Account {
    let account = new_account(role);
    store
        .create_account(&account, None, &act("account.create"))
        .await
        .unwrap()
}

/// Does one act `times` times at once, in turn on each of three openings of the home.
pub(crate) async fn at_once<T, F>(
    home: &dyn Home,
    times: usize,
    act: impl Fn(Arc<dyn Store>, usize) -> F,
) -> Vec<StoreResult<T>>
where
    T: Send + 'static,
    F: Future<Output = StoreResult<T>> + Send + 'static,
{
    let stores = [home.open().await, home.open().await, home.open().await];
    let acts = (0..times).map(|turn| {
        let act = act(Arc::clone(&stores[turn % stores.len()]), turn);
        // Tasks of the runtime, so that they truly run beside each other.
        rustygpt_utils::tasks::Tasks::new().spawn(act)
    });
    let done = join_all(acts.collect::<Vec<_>>()).await;
    for store in stores {
        store.close().await;
    }
    done.into_iter().map(|result| result.unwrap()).collect()
}

/// Makes one test per name for the home that `$open` makes; `None` skips it, loudly.
macro_rules! stamp {
    ($open:path) => {
        crate::conformance::stamp!(@ $open,
            accounts: [
                the_owner_is_made_once_by_the_code,
                an_email_address_belongs_to_one_account,
                an_invitation_opens_one_account,
                parallel_failures_are_each_counted_and_lock,
                failures_long_past_are_forgotten,
                a_password_change_ends_the_other_sessions,
                a_reset_code_sets_one_password,
                a_newer_hash_never_undoes_a_change,
                a_totp_step_opens_once,
                the_last_admin_stays,
                a_deleted_account_leaves_only_its_audit_entries,
                accounts_of_others_do_not_exist,
                what_takes_access_away_moves_the_revision,
            ],
            api_keys: [
                a_key_is_found_by_its_digest_with_its_account,
                keys_of_others_do_not_exist,
                a_key_is_touched_forward_only,
            ],
            audit: [
                an_act_and_its_entry_happen_together,
                the_chain_holds_under_parallel_acts,
                pruning_keeps_the_chain,
                a_log_written_to_a_file_verifies_there,
                an_account_sees_its_own_entries,
            ],
            codes: [
                of_many_one_spends_a_code,
                a_code_opens_only_its_own_thing,
                a_new_code_replaces_the_one_before,
            ],
            identities: [
                an_identity_belongs_to_one_account,
                the_last_way_in_stays,
                an_account_is_made_with_its_identity,
            ],
            sessions: [
                a_burst_of_refreshes_yields_one_child,
                without_grace_a_burst_revokes_the_family,
                reuse_revokes_every_descendant,
                what_has_ended_is_not_refreshed,
                tokens_are_forgotten_after_their_end,
                sessions_of_others_do_not_exist,
            ],
            settings: [
                a_setting_changes_only_from_what_was_read,
                of_parallel_changes_one_wins,
            ],
            tasks: [
                the_most_urgent_due_task_comes_first,
                a_task_is_given_to_one,
                a_lost_lease_fences_off_its_worker,
                a_task_fails_until_it_is_dead_and_may_be_retried,
                a_cancelled_task_ends,
                a_key_enqueues_once,
                a_task_is_enqueued_with_its_act_or_not_at_all,
                tasks_of_others_do_not_exist,
                a_schedule_fires_once,
                a_schedule_survives_a_restart,
                ended_tasks_are_pruned,
                a_task_given_back_loses_no_attempt,
            ],
            usage: [
                a_quota_is_never_overspent,
                a_quota_is_overdrawn_by_one_at_most,
                what_was_not_used_comes_back,
                requests_add_up_by_day,
                usage_comes_in_parts_and_goes_after_its_time,
            ],
            workers: [
                jobs_outlive_workers_killed_at_every_step,
            ],
        );
    };
    (@ $open:path, $($topic:ident: [$($test:ident),* $(,)?]),* $(,)?) => {
        $(mod $topic {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(home) = $open().await {
                        crate::conformance::$topic::$test(&home).await;
                    }
                }
            )*
        })*
    };
}

pub(crate) use stamp;
