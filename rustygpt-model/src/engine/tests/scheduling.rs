//! Batching, queueing, cancelling, pre-emption.

use super::*;

#[tokio::test]
async fn four_sequences_of_different_lengths_share_every_pass() {
    let gate = Gate::closed();
    let recorder = Recorder::default();
    let options = EngineOptions {
        prompt_tokens_beside_answers: Some(512),
        ..slots(8)
    };
    let script = Script::answering("0123456789")
        .behind(&gate)
        .recorded_by(&recorder)
        .with_options(options);
    let model = start(script);
    let mut generations = Vec::new();
    for (letter, length) in [("w", 5), ("x", 80), ("y", 17), ("z", 200)] {
        let text = letter.repeat(length);
        generations.push(model.admit(request(&text)).await.unwrap());
        // The first pass has begun before the others come.
        gate.wait_for_arrival(1);
    }
    gate.open_for_good();
    for generation in generations {
        assert_eq!(collect(generation).await[0].text, "0123456789");
    }
    // Ten tokens and the ending one: eleven passes for the first, and the other three together
    // begin one later.
    assert_eq!(model.status().steps, 12);
    let taking_part: Vec<_> = recorder
        .plans()
        .iter()
        .map(|plan| plan.sequences.len())
        .collect();
    assert_eq!(taking_part, [1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_back() {
    let gate = Gate::closed();
    let options = EngineOptions {
        queue_limit: 1,
        ..slots(1)
    };
    let model = start(
        Script::answering("answer")
            .behind(&gate)
            .with_options(options),
    );
    let running = model.admit(request("a")).await.unwrap();
    gate.wait_for_arrival(1);
    let waiting = model.admit(request("b")).await.unwrap();
    match model.admit(request("c")).await {
        Err(ModelError::QueueFull {
            waiting,
            retry_after_seconds,
        }) => {
            assert_eq!(waiting, 1);
            assert!(retry_after_seconds >= 1);
        }
        other => panic!("{other:?}"),
    }
    let status = model.status();
    assert_eq!((status.running, status.waiting, status.slots), (1, 1, 1));
    gate.open_for_good();
    collect(running).await;
    collect(waiting).await;
    assert_eq!(answer(&model, request("c")).await.text, "answer");
}

#[tokio::test]
async fn who_has_read_the_end_of_an_answer_finds_its_place_free() {
    let options = EngineOptions {
        queue_limit: 0,
        ..slots(1)
    };
    let model = start(Script::answering("x").with_options(options));
    for _ in 0..300 {
        answer(&model, request("a")).await;
    }
}

#[tokio::test]
async fn dropping_a_stream_frees_its_slot_within_one_step() {
    let gate = Gate::closed();
    let recorder = Recorder::default();
    let script = Script::answering("a long answer that nobody waits for")
        .behind(&gate)
        .recorded_by(&recorder)
        .with_options(slots(1));
    let model = start(script);
    let mut dropped = model.admit(request("first")).await.unwrap();
    let queued = model.admit(request("second")).await.unwrap();
    let third = model.admit(request("third")).await.unwrap();
    gate.open(2);
    gate.wait_for_arrival(3);
    assert!(matches!(
        dropped.next().await,
        Some(GenerationEvent::Text { .. })
    ));
    // The third step is under way: it is the last one for the dropped stream.
    drop(dropped);
    drop(queued);
    gate.open_for_good();
    assert_eq!(
        collect(third).await[0].text,
        "a long answer that nobody waits for"
    );
    let plans = recorder.plans();
    let of = |sequence: u64| {
        plans
            .iter()
            .filter(|plan| plan.sequences[0].sequence.0 == sequence)
            .count()
    };
    assert_eq!((of(0), of(1)), (3, 0));
    assert_eq!(plans[3].ended, [plans[0].sequences[0].sequence]);
    model.shutdown().await;
    let status = model.status();
    assert_eq!(
        (status.running, status.waiting, status.kv_blocks_used),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn pre_emption_changes_no_answer() {
    let script = Script::answering("").with_margin(0.0);
    let requests: Vec<_> = (0..4)
        .map(|index| {
            let mut request = request(&"p".repeat(20 + index));
            request.sampling.seed = Some(index as u64);
            request.sampling.repetition_penalty = Some(1.2);
            request.limits.max_tokens = Some(60);
            request.limits.ignore_eos = true;
            request
        })
        .collect();
    let mut texts = Vec::new();
    // Four times eighty positions, and room for only half of them.
    for blocks in [4096, 40] {
        let gate = Gate::closed();
        let model = start(script.clone().with_blocks(blocks, 4).behind(&gate));
        let mut generations = Vec::new();
        for request in &requests {
            generations.push(model.admit(request.clone()).await.unwrap());
        }
        gate.open_for_good();
        let mut answers = Vec::new();
        for generation in generations {
            answers.extend(collect(generation).await);
        }
        model.shutdown().await;
        assert_eq!(model.status().preemptions_total > 0, blocks == 40);
        assert_eq!(model.status().kv_blocks_used, 0);
        texts.push(answers);
    }
    assert_eq!(texts[0], texts[1]);
    assert!(
        texts[0]
            .iter()
            .all(|answer| answer.usage.completion_tokens == 60)
    );
}

#[tokio::test]
async fn a_prompt_read_in_chunks_is_the_prompt_read_at_once() {
    let text: String = ('a'..='z').cycle().take(500).collect();
    let mut read = Vec::new();
    for max_step_tokens in [4096, 16] {
        let recorder = Recorder::default();
        let options = EngineOptions {
            max_step_tokens,
            ..slots(4)
        };
        let script = Script::replying(|prompt| prompt.to_uppercase());
        let model = start(script.recorded_by(&recorder).with_options(options));
        let mut request = request(&text);
        request.limits.max_tokens = Some(30);
        let answer = answer(&model, request).await;
        let plans = recorder.plans();
        assert!(
            plans
                .iter()
                .all(|plan| plan.token_count() <= max_step_tokens)
        );
        let tokens: Vec<u32> = plans
            .iter()
            .flat_map(|plan| plan.sequences[0].tokens.clone())
            .collect();
        read.push((answer, tokens));
    }
    assert_eq!(read[0], read[1]);
    assert_eq!(read[0].0.text, text[..30].to_uppercase());
}

#[tokio::test]
async fn an_answer_goes_on_when_the_last_handle_is_gone() {
    let gate = Gate::closed();
    let model = start(Script::answering("still here").behind(&gate));
    let generation = model.admit(request("a")).await.unwrap();
    drop(model);
    gate.open_for_good();
    assert_eq!(collect(generation).await[0].text, "still here");
}

#[tokio::test]
async fn the_model_is_freed_when_the_last_handle_is_gone_and_nothing_runs() {
    let (alive, freed) = std::sync::mpsc::channel::<()>();
    let model = start(Script::replying(move |_| {
        let _still = &alive;
        "fine".to_owned()
    }));
    assert_eq!(answer(&model, request("a")).await.text, "fine");
    assert_eq!(freed.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
    drop(model);
    // Returns only because the model, and with it the sender, was dropped.
    assert!(freed.recv().is_err());
}
