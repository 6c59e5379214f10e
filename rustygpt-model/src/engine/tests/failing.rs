//! What clients see when something breaks.

use super::*;

#[tokio::test]
async fn a_failed_step_ends_its_requests_and_the_engine_goes_on() {
    for failure in [Failure::Device, Failure::NotANumber] {
        let model = start(Script::answering("fine").failing_at(2, failure));
        let mut several = request("a");
        several.choices = 2;
        let failed = try_collect(model.admit(several).await.unwrap()).await;
        assert!(failed.unwrap_err().contains("try again"));
        assert_eq!(answer(&model, request("b")).await.text, "fine");
        model.shutdown().await;
        assert_eq!(model.status().kv_blocks_used, 0);
    }
}

#[tokio::test]
async fn a_lost_model_ends_everything_and_says_why() {
    for (failure, reason) in [
        (Failure::WeightsLost, "truncated while in use"),
        (Failure::Panic, "panicked"),
    ] {
        let gate = Gate::closed();
        let script = Script::answering("fine")
            .failing_at(2, failure)
            .behind(&gate);
        let model = start(script.with_options(slots(1)));
        let running = model.admit(request("a")).await.unwrap();
        let waiting = model.admit(request("b")).await.unwrap();
        gate.open_for_good();
        for generation in [running, waiting] {
            let message = try_collect(generation).await.unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
        match model.admit(request("c")).await {
            Err(ModelError::Stopped { reason: told }) => assert!(told.contains(reason), "{told}"),
            other => panic!("{other:?}"),
        }
        assert!(
            model
                .status()
                .stopped
                .is_some_and(|told| told.contains(reason))
        );
        model.shutdown().await;
    }
}

#[tokio::test]
async fn shutting_down_ends_streams_with_a_clear_failure() {
    let gate = Gate::closed();
    let model = start(
        Script::answering("fine")
            .behind(&gate)
            .with_options(slots(1)),
    );
    let running = model.admit(request("a")).await.unwrap();
    let waiting = model.admit(request("b")).await.unwrap();
    gate.open(1);
    gate.wait_for_arrival(2);
    let stopping = model.shutdown();
    let (message, (), ()) = futures::join!(
        async {
            let message = try_collect(running).await.unwrap_err();
            assert_eq!(try_collect(waiting).await.unwrap_err(), message);
            message
        },
        stopping,
        async { gate.open_for_good() },
    );
    assert!(message.contains("shut down"), "{message}");
    assert!(matches!(
        model.admit(request("c")).await,
        Err(ModelError::Stopped { .. })
    ));
    // A second time is no harm.
    model.shutdown().await;
}
