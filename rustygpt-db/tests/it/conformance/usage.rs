use super::{Home, NOW, account, at_once, id};
use rustygpt_db::store::{
    ApiKeyId, Holder, Page, Principal, Quota, QuotaPeriod, Role, Spending, Timestamp, UsageDay,
    UsageReport,
};
use std::time::Duration;

const QUOTA: Quota = Quota {
    tokens: 1000,
    period: QuotaPeriod::Day,
};
/// Midnight after [`NOW`], which is noon.
const MIDNIGHT: Timestamp = Timestamp(NOW.0 + 12 * 60 * 60 * 1000);

// Seen to fail on SQLite with `BEGIN` in place of `BEGIN IMMEDIATE`.
pub(crate) async fn a_quota_is_never_overspent(home: &dyn Home) {
    let key = Holder::Key(ApiKeyId(id()));
    let spent = at_once(home, 40, move |store, _| async move {
        store.spend_quota(key, QUOTA, 90, NOW).await
    })
    .await;
    let granted = spent
        .iter()
        .filter(|s| matches!(s.as_ref().unwrap(), Spending::Granted { .. }));
    assert_eq!(granted.count(), 11);
    let store = home.open().await;
    let exhausted = Spending::Exhausted {
        remaining: 10,
        resets_at: MIDNIGHT,
    };
    assert_eq!(
        store.spend_quota(key, QUOTA, 11, NOW).await.unwrap(),
        exhausted
    );
    let last = Spending::Granted {
        remaining: 0,
        resets_at: MIDNIGHT,
    };
    assert_eq!(store.spend_quota(key, QUOTA, 10, NOW).await.unwrap(), last);
    let tomorrow = store.spend_quota(key, QUOTA, 1000, MIDNIGHT).await.unwrap();
    assert!(matches!(tomorrow, Spending::Granted { remaining: 0, .. }));
    let boundless = Quota {
        tokens: u64::MAX,
        period: QuotaPeriod::Month,
    };
    for _ in 0..2 {
        let spent = store.spend_quota(key, boundless, u64::MAX / 4, NOW).await;
        assert!(matches!(spent.unwrap(), Spending::Granted { .. }));
    }
}

pub(crate) async fn a_quota_is_overdrawn_by_one_at_most(home: &dyn Home) {
    let key = Holder::Key(ApiKeyId(id()));
    let drawn = at_once(home, 40, move |store, _| async move {
        store.draw_quota(key, QUOTA, 90, NOW).await
    })
    .await;
    let granted = drawn
        .iter()
        .filter(|drawn| matches!(drawn.as_ref().unwrap(), Spending::Granted { .. }));
    // 11 × 90 leave 10 for the twelfth.
    assert_eq!(granted.count(), 12);
    let store = home.open().await;
    let none = Spending::Exhausted {
        remaining: 0,
        resets_at: MIDNIGHT,
    };
    let draw = async || store.draw_quota(key, QUOTA, 90, NOW).await.unwrap();
    assert_eq!(draw().await, none);
    store.return_quota(key, QUOTA, 80, NOW).await.unwrap();
    assert_eq!(draw().await, none, "what is overdrawn is owed");
    store.return_quota(key, QUOTA, 1, NOW).await.unwrap();
    assert!(matches!(draw().await, Spending::Granted { .. }));
}

pub(crate) async fn what_was_not_used_comes_back(home: &dyn Home) {
    let store = home.open().await;
    let holder = Holder::Account(account(&*store, Role::User).await.id);
    store.spend_quota(holder, QUOTA, 800, NOW).await.unwrap();
    store.return_quota(holder, QUOTA, 300, NOW).await.unwrap();
    let remaining = async |tokens, at| match store.spend_quota(holder, QUOTA, tokens, at).await {
        Ok(Spending::Granted { remaining, .. } | Spending::Exhausted { remaining, .. }) => {
            remaining
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(remaining(0, NOW).await, 500);
    // What comes back late comes back to the day on which it was spent.
    assert_eq!(remaining(100, MIDNIGHT).await, 900);
    store.return_quota(holder, QUOTA, 9000, NOW).await.unwrap();
    assert_eq!(remaining(0, NOW).await, 1000);
    assert_eq!(remaining(0, MIDNIGHT).await, 900);
}

pub(crate) async fn requests_add_up_by_day(home: &dyn Home) {
    let store = home.open().await;
    let mine = account(&*store, Role::User).await;
    let other = account(&*store, Role::User).await;
    let key = ApiKeyId(id());
    let report = |account, key, at| UsageReport {
        account,
        key,
        model: "m".to_owned(),
        at,
        prompt_tokens: 10,
        cached_tokens: 4,
        completion_tokens: 5,
    };
    let recorded = at_once(home, 10, move |store, _| async move {
        store.record_usage(&report(mine.id, Some(key), NOW)).await
    })
    .await;
    assert!(recorded.iter().all(Result::is_ok));
    for report in [
        report(mine.id, None, NOW),
        report(mine.id, Some(key), MIDNIGHT),
        report(other.id, None, NOW),
    ] {
        store.record_usage(&report).await.unwrap();
    }
    let today = MIDNIGHT.minus(Duration::from_secs(24 * 60 * 60));
    let day = |day, account, key, requests| UsageDay {
        day,
        account,
        key,
        model: "m".to_owned(),
        requests,
        prompt_tokens: 10 * requests,
        cached_tokens: 4 * requests,
        completion_tokens: 5 * requests,
    };
    let forever = Timestamp(i64::MAX);
    let me = Principal::Account(mine.id);
    for (by, account) in [(me, None), (Principal::Server, Some(mine.id))] {
        let days = store
            .usage_days(by, account, Timestamp(0), forever, Page::FIRST)
            .await;
        let wanted = [
            day(today, mine.id, None, 1),
            day(today, mine.id, Some(key), 10),
            day(MIDNIGHT, mine.id, Some(key), 1),
        ];
        assert_eq!(days.unwrap(), wanted);
    }
    let others = store
        .usage_days(me, Some(other.id), Timestamp(0), forever, Page::FIRST)
        .await;
    assert_eq!(others.unwrap(), []);
    let today_only = store
        .usage_days(Principal::Server, None, today, MIDNIGHT, Page::FIRST)
        .await;
    assert_eq!(today_only.unwrap().len(), 3);
}

pub(crate) async fn usage_comes_in_parts_and_goes_after_its_time(home: &dyn Home) {
    let store = home.open().await;
    let mine = account(&*store, Role::User).await;
    let week = |day: u64| NOW.plus(Duration::from_secs(day * 24 * 60 * 60));
    for day in 0..7 {
        let report = UsageReport {
            account: mine.id,
            key: None,
            model: "m".to_owned(),
            at: week(day),
            prompt_tokens: day,
            cached_tokens: 0,
            completion_tokens: 0,
        };
        store.record_usage(&report).await.unwrap();
    }
    let prompts = async |offset, limit| {
        let page = Page { offset, limit };
        let (from, until) = (Timestamp(0), Timestamp(i64::MAX));
        let days = store.usage_days(Principal::Server, None, from, until, page);
        let days = days.await.unwrap();
        days.iter().map(|day| day.prompt_tokens).collect::<Vec<_>>()
    };
    assert_eq!(prompts(0, 3).await, [0, 1, 2]);
    assert_eq!(prompts(5, 3).await, [5, 6]);
    let holder = Holder::Account(mine.id);
    for day in [2, 3] {
        let spent = store.spend_quota(holder, QUOTA, 1000, week(day)).await;
        assert!(matches!(spent.unwrap(), Spending::Granted { .. }));
    }
    // In the middle of a day: the whole of it stays.
    assert_eq!(store.prune_usage(week(3)).await.unwrap(), 3);
    assert_eq!(prompts(0, 10).await, [3, 4, 5, 6]);
    for (day, left) in [(2, 1000), (3, 0)] {
        let look = store.spend_quota(holder, QUOTA, 0, week(day)).await;
        assert!(
            matches!(look.unwrap(), Spending::Granted { remaining, .. } if remaining == left),
            "day {day}"
        );
    }
}
