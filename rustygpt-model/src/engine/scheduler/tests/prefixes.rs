//! What was read once is not computed again, where that is the same.

use super::*;

fn wish(length: usize, tenant: u8, common: usize) -> Wish {
    Wish {
        length,
        answer: 2,
        priority: Priority::Interactive,
        tenant,
        common,
    }
}

/// Where the first step of a sequence that comes now begins.
fn first_start(world: &mut World, wish: Wish) -> usize {
    let id = world.wish(wish);
    loop {
        let plan = world.step();
        if let Some(step) = plan.sequences.iter().find(|step| step.sequence == id) {
            return step.start;
        }
    }
}

#[test]
fn a_second_prompt_begins_where_it_differs_from_the_first() {
    let mut world = roomy(4, 512);
    assert_eq!(first_start(&mut world, wish(100, 1, 100)), 0);
    world.drain();
    // Six full blocks of sixteen; of a prompt that is all there, the last token is computed.
    assert_eq!(first_start(&mut world, wish(120, 1, 100)), 96);
    assert_eq!(first_start(&mut world, wish(96, 1, 96)), 80);
    assert_eq!(first_start(&mut world, wish(120, 1, 40)), 32);
    world.drain();
    assert_eq!(world.scheduler.reused_tokens(), 96 + 80 + 32);
}

#[test]
fn another_users_prompts_are_never_found() {
    let mut world = roomy(4, 512);
    first_start(&mut world, wish(100, 1, 100));
    assert_eq!(first_start(&mut world, wish(100, 2, 100)), 0);
    world.drain();
}

#[test]
fn prompts_that_come_together_are_computed_once() {
    let mut world = roomy(4, 64);
    for _ in 0..4 {
        world.wish(wish(400, 1, 384));
    }
    world.drain();
    assert_eq!(world.computed[&1], 384 + 4 * 16 + 4);
}

#[test]
fn a_prompt_goes_on_when_the_one_it_waited_for_is_cancelled() {
    let mut world = roomy(4, 64);
    let first = world.wish(wish(400, 1, 400));
    let second = world.wish(wish(400, 1, 400));
    let plan = world.step();
    assert_eq!((share(&plan, first), share(&plan, second)), (64, 0));
    world.cancel(first);
    let plan = world.step();
    let step = &plan.sequences[0];
    assert_eq!((step.sequence, step.start), (second, 64));
    world.drain();
}

#[test]
fn texts_read_with_other_frequencies_share_nothing() {
    let mut world = World::new(SchedulerLimits {
        long_text: Some(64),
        ..limits(16)
    });
    assert_eq!(first_start(&mut world, wish(60, 1, 60)), 0);
    assert_eq!(first_start(&mut world, wish(80, 1, 80)), 0);
    assert_eq!(first_start(&mut world, wish(90, 1, 80)), 80);
    assert_eq!(first_start(&mut world, wish(50, 1, 50)), 48);
    world.drain();
}

/// The next turn of a conversation: the first prompt, its answer, and more.
#[test]
fn the_next_turn_finds_the_answer_too() {
    let mut world = World::new(limits(16));
    let id = world.wish(Wish {
        answer: 60,
        ..wish(40, 1, 40)
    });
    let mut text = Vec::new();
    while let Some(expected) = world.sequences.get(&id) {
        text.clone_from(&expected.tokens);
        world.step();
    }
    text.extend([7; 20]);
    let second = SequenceId(1000);
    world.scheduler.enqueue(NewSequence {
        id: second,
        priority: Priority::Interactive,
        cache_salt: CacheSalt([1; 32]),
        tokens: text,
    });
    assert_eq!(world.scheduler.plan().sequences[0].start, 96);
}

#[test]
fn kept_texts_give_way_before_anyone_is_pre_empted() {
    let mut world = World::new(SchedulerLimits {
        block_count: 10,
        ..limits(16)
    });
    for number in 0..20 {
        world.wish(wish(100 + number, 1, 0));
        world.drain();
    }
    assert_eq!(world.scheduler.preemptions(), 0);
    assert!(world.scheduler.blocks_kept() > 6);
}

#[test]
fn a_model_with_state_of_its_own_shares_nothing() {
    let mut world = World::new(SchedulerLimits {
        shares_blocks: false,
        ..limits(16)
    });
    first_start(&mut world, wish(100, 1, 100));
    assert_eq!(first_start(&mut world, wish(100, 1, 100)), 0);
    world.drain();
    assert_eq!(world.scheduler.blocks_kept(), 0);
}
