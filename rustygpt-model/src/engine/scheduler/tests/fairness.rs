//! Users share alike, whatever each of them asks for.

use super::*;

/// Users who always have so many requests under way, of such lengths.
struct User {
    requests: usize,
    length: usize,
    answer: usize,
}

/// What part of the computed tokens each user gets, once all are busy.
fn parts(slots: usize, users: &[User]) -> Vec<f64> {
    let mut world = World::new(SchedulerLimits {
        slots,
        step_tokens: 128,
        ..limits(16)
    });
    let mut measured_from = BTreeMap::new();
    for round in 0..40_000 {
        if round == 4000 {
            measured_from = world.computed.clone();
        }
        for (tenant, user) in users.iter().enumerate() {
            let tenant = tenant as u8;
            let of_user = |expected: &&Expected| expected.tenant == tenant;
            let under_way = world.sequences.values().filter(of_user).count();
            for _ in under_way..user.requests {
                world.wish(Wish {
                    length: user.length,
                    answer: user.answer,
                    priority: Priority::Interactive,
                    tenant,
                    common: 0,
                });
            }
        }
        world.step();
    }
    let tokens: Vec<_> = (0..users.len() as u8)
        .map(|tenant| (world.computed[&tenant] - measured_from[&tenant]) as f64)
        .collect();
    let total: f64 = tokens.iter().sum();
    tokens.into_iter().map(|tokens| tokens / total).collect()
}

#[track_caller]
fn assert_alike(slots: usize, users: &[User]) {
    let parts = parts(slots, users);
    let fair = 1.0 / users.len() as f64;
    for part in &parts {
        assert!((part / fair - 1.0).abs() < 0.1, "{parts:?}");
    }
}

#[test]
fn many_requests_get_a_user_no_more_than_few() {
    let user = |requests| User {
        requests,
        length: 50,
        answer: 50,
    };
    assert_alike(8, &[user(60), user(8), user(5), user(20)]);
}

#[test]
fn long_prompts_get_a_user_no_more_than_short_ones() {
    let user = |length, answer| User {
        requests: 10,
        length,
        answer,
    };
    assert_alike(6, &[user(600, 20), user(10, 30), user(100, 100)]);
}

#[test]
fn more_users_than_slots_share_alike() {
    let users: Vec<_> = (2..=8)
        .map(|number| User {
            requests: number,
            length: 30 * number,
            answer: 40,
        })
        .collect();
    assert_alike(3, &users);
}

#[test]
fn a_newcomer_does_not_wait_for_the_queue_of_a_busy_user() {
    let mut world = roomy(2, 64);
    let mut wish = Wish {
        length: 20,
        answer: 10,
        priority: Priority::Interactive,
        tenant: 1,
        common: 0,
    };
    for _ in 0..50 {
        world.wish(wish);
    }
    world.step();
    wish.tenant = 2;
    let newcomer = world.wish(wish);
    let waited = (0..).find(|_| share(&world.step(), newcomer) > 0).unwrap();
    assert!(waited <= 10, "{waited} steps");
}
