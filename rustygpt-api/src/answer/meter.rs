//! [`Meter`]: how fast an answer comes.

use crate::measurements::Measurements;
use crate::middleware::Record;
use metrics::Histogram;
use rustygpt_model::contract::{GenerationEvent, Usage};
use std::time::Instant;

/// Measures one answer: the time to its first text, the time between pieces, the tokens.
pub(super) struct Meter {
    record: Record,
    start: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    first_token: Histogram,
    inter_token: Histogram,
    completion_tokens: u64,
}

impl Meter {
    pub(super) fn new(
        measurements: &Measurements,
        model: &str,
        record: Record,
        start: Instant,
    ) -> Self {
        Self {
            record,
            start,
            first: None,
            last: None,
            first_token: measurements.first_token(model),
            inter_token: measurements.inter_token(model),
            completion_tokens: 0,
        }
    }

    /// When the first piece came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Sees an event pass.
    pub(super) fn see(&mut self, event: &GenerationEvent) {
        match event {
            GenerationEvent::Text { .. }
            | GenerationEvent::Reasoning { .. }
            | GenerationEvent::ToolCallBegin { .. }
            | GenerationEvent::ToolCallArguments { .. } => self.see_content(),
            GenerationEvent::Finish { usage, .. } => self.see_usage(*usage),
            GenerationEvent::ToolCallEnd { .. } => {}
            GenerationEvent::Failed { .. } => self.break_off("engine failed"),
        }
    }

    /// Notes why the answer ends early.
    pub(super) fn break_off(&self, reason: &str) {
        self.record
            .note(|facts| facts.broke_off = Some(reason.to_owned()));
    }

    fn see_content(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        match self.last.replace(now) {
            None => self
                .first_token
                .record(now.duration_since(self.start).as_secs_f64()),
            Some(last) => self
                .inter_token
                .record(now.duration_since(last).as_secs_f64()),
        }
    }

    fn see_usage(&mut self, usage: Usage) {
        self.completion_tokens += u64::from(usage.completion_tokens);
        let total = self.completion_tokens;
        self.record
            .note(|facts| facts.completion_tokens = Some(total));
    }
}
