//! [`Measurements`]: what is counted, for `/metrics`.

use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};
use rustygpt_model::engine::AnyModel;
use rustygpt_orchestrator::accounts::{TaskCounts, TaskState};
use rustygpt_orchestrator::models::Models;
use rustygpt_orchestrator::tasks::Statistics;
use std::time::Duration;

const METADATA: Metadata<'static> = Metadata::new("rustygpt_api", Level::INFO, None);

const REQUESTS: &str = "rustygpt_requests_total";
const REQUEST_SECONDS: &str = "rustygpt_request_duration_seconds";
const PROMPT_TOKENS: &str = "rustygpt_prompt_tokens_total";
const COMPLETION_TOKENS: &str = "rustygpt_completion_tokens_total";
const FIRST_TOKEN_SECONDS: &str = "rustygpt_time_to_first_token_seconds";
const TASKS: &str = "rustygpt_tasks";
const TASK_ATTEMPTS: &str = "rustygpt_task_attempts_total";
const INTER_TOKEN_SECONDS: &str = "rustygpt_inter_token_seconds";

/// Gauges read from the engines when somebody asks.
const GAUGES: [(&str, &str); 12] = [
    (
        "rustygpt_choices_running",
        "Choices that are being answered.",
    ),
    ("rustygpt_choices_waiting", "Choices that wait for a slot."),
    ("rustygpt_slots", "Choices that can be answered at once."),
    (
        "rustygpt_kv_blocks_used",
        "Blocks of the key/value cache in use.",
    ),
    (
        "rustygpt_kv_blocks_kept",
        "Blocks that nobody uses, but whose text a later prompt may find.",
    ),
    ("rustygpt_kv_blocks", "Blocks of the key/value cache."),
    (
        "rustygpt_cached_prompt_tokens",
        "Prompt tokens found in the cache so far, and not computed.",
    ),
    (
        "rustygpt_guessed_tokens",
        "Guesses of what answers would say that were verified so far.",
    ),
    (
        "rustygpt_guessed_tokens_come_true",
        "Of those, the ones that came true: tokens without a pass of their own.",
    ),
    (
        "rustygpt_tokens_per_second",
        "Tokens written per second, lately.",
    ),
    (
        "rustygpt_engine_running",
        "1 while the model's engine runs.",
    ),
    (
        "rustygpt_model_bytes",
        "Memory that the model takes; 0 while it is not loaded.",
    ),
];

/// Upper bounds of the histograms' buckets in seconds.
const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// What is counted. One per server, so that tests do not share numbers.
pub(crate) struct Measurements {
    recorder: PrometheusRecorder,
}

impl Measurements {
    pub(crate) fn new() -> Self {
        // Without our buckets the exporter still works and shows summaries.
        let recorder = with_buckets().map_or_else(
            |_| PrometheusBuilder::new().build_recorder(),
            |b| b.build_recorder(),
        );
        for (name, text) in [
            (REQUESTS, "Requests by route, method and status."),
            (PROMPT_TOKENS, "Prompt tokens read."),
            (COMPLETION_TOKENS, "Tokens written."),
            (
                TASK_ATTEMPTS,
                "Attempts at tasks that this server made, by kind and outcome.",
            ),
        ] {
            recorder.describe_counter(name.into(), None, text.into());
        }
        for (name, text) in [
            (
                REQUEST_SECONDS,
                "Time from a request's headers to the end of its answer.",
            ),
            (
                FIRST_TOKEN_SECONDS,
                "Time from a request's headers to its first text.",
            ),
            (
                INTER_TOKEN_SECONDS,
                "Time between two pieces of text of one answer.",
            ),
        ] {
            recorder.describe_histogram(name.into(), None, text.into());
        }
        let text = "Tasks that need somebody, by state, on all servers of the store.";
        recorder.describe_gauge(TASKS.into(), None, text.into());
        for (name, text) in GAUGES {
            recorder.describe_gauge(name.into(), None, text.into());
        }
        Self { recorder }
    }

    /// Counts one finished request.
    pub(crate) fn request(
        &self,
        route: &str,
        method: &'static str,
        status: &str,
        duration: Duration,
    ) {
        let labels = vec![
            Label::new("route", route.to_owned()),
            Label::new("method", method),
            Label::new("status", status.to_owned()),
        ];
        self.counter(&Key::from_parts(REQUESTS, labels))
            .increment(1);
        let labels = vec![Label::new("route", route.to_owned())];
        self.histogram(&Key::from_parts(REQUEST_SECONDS, labels))
            .record(duration.as_secs_f64());
    }

    /// Counts the tokens of one request.
    pub(crate) fn tokens(&self, model: &str, prompt: u64, completion: u64) {
        for (name, tokens) in [(PROMPT_TOKENS, prompt), (COMPLETION_TOKENS, completion)] {
            self.counter(&model_key(name, model)).increment(tokens);
        }
    }

    /// Where to record the time to a request's first text.
    pub(crate) fn first_token(&self, model: &str) -> Histogram {
        self.histogram(&model_key(FIRST_TOKEN_SECONDS, model))
    }

    /// Where to record the time between two pieces of text.
    pub(crate) fn inter_token(&self, model: &str) -> Histogram {
        self.histogram(&model_key(INTER_TOKEN_SECONDS, model))
    }

    /// Notes how many tasks need somebody.
    pub(crate) fn queue(&self, counts: &TaskCounts) {
        for (state, count) in [
            (TaskState::Waiting, counts.waiting),
            (TaskState::Running, counts.running),
            (TaskState::Dead, counts.dead),
        ] {
            let key = Key::from_parts(TASKS, vec![Label::new("state", state.name())]);
            self.recorder
                .register_gauge(&key, &METADATA)
                .set(count as f64);
        }
    }

    /// Notes what the worker has done.
    pub(crate) fn work(&self, statistics: &Statistics) {
        for (kind, numbers) in statistics.by_kind() {
            for (outcome, count) in [
                ("claimed", numbers.claimed),
                ("done", numbers.done),
                ("failed", numbers.failed),
                ("dead", numbers.dead),
                ("released", numbers.released),
                ("lost", numbers.lost),
            ] {
                let labels = vec![Label::new("kind", kind), Label::new("outcome", outcome)];
                self.counter(&Key::from_parts(TASK_ATTEMPTS, labels))
                    .absolute(count);
            }
        }
    }

    /// Everything in Prometheus' text format; the engines are asked now.
    pub(crate) fn render(&self, models: &Models) -> String {
        for overview in models.overview() {
            // A model that was unloaded must not be shown as it was.
            let status = overview.model.as_ref().map(AnyModel::status);
            let is_running = status.as_ref().is_some_and(|it| it.stopped.is_none());
            let status = status.unwrap_or_default();
            let values = [
                status.running as f64,
                status.waiting as f64,
                status.slots as f64,
                status.kv_blocks_used as f64,
                status.kv_blocks_kept as f64,
                status.kv_blocks_total as f64,
                status.cached_prompt_tokens_total as f64,
                status.guesses_total as f64,
                status.guesses_come_true_total as f64,
                status.tokens_per_second,
                f64::from(u8::from(is_running)),
                overview.standing.bytes as f64,
            ];
            for ((name, _), value) in GAUGES.into_iter().zip(values) {
                let key = model_key(name, &overview.about.id);
                self.recorder.register_gauge(&key, &METADATA).set(value);
            }
        }
        let handle = self.recorder.handle();
        handle.run_upkeep();
        handle.render()
    }

    fn counter(&self, key: &Key) -> Counter {
        self.recorder.register_counter(key, &METADATA)
    }

    fn histogram(&self, key: &Key) -> Histogram {
        self.recorder.register_histogram(key, &METADATA)
    }
}

fn with_buckets() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
}

fn model_key(name: &'static str, model: &str) -> Key {
    Key::from_parts(name, vec![Label::new("model", model.to_owned())])
}
