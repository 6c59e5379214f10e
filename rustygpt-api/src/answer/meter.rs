//! [`Meter`]: how fast an answer comes.

use crate::measurements::Measurements;
use crate::middleware::Record;
use metrics::Histogram;
use rustygpt_model::contract::{GenerationEvent, Usage};
use std::collections::BTreeMap;
use std::time::Instant;

/// Measures one answer: the time to its first text, the time between pieces, the tokens. They are
/// noted when it is dropped, which is when the answer ends, whoever ends it.
pub(super) struct Meter {
    record: Record,
    start: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    first_token: Histogram,
    inter_token: Histogram,
    /// Tokens of the choices that have ended.
    completion_tokens: u64,
    /// Pieces of each choice that has not: what is paid for by a client that hangs up before it is
    /// known what its answer took. A piece is one token, seldom more.
    pieces: BTreeMap<u32, u64>,
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
            pieces: BTreeMap::new(),
        }
    }

    /// When the first piece came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Sees an event pass.
    pub(super) fn see(&mut self, event: &GenerationEvent) {
        match event {
            GenerationEvent::Text { choice, .. }
            | GenerationEvent::Reasoning { choice, .. }
            | GenerationEvent::ToolCallBegin { choice, .. }
            | GenerationEvent::ToolCallArguments { choice, .. } => self.see_content(*choice),
            GenerationEvent::Finish { choice, usage, .. } => self.see_usage(*choice, *usage),
            GenerationEvent::ToolCallEnd { .. } => {}
            GenerationEvent::Failed { .. } => self.break_off("engine failed"),
        }
    }

    /// Notes why the answer ends early.
    pub(super) fn break_off(&self, reason: &str) {
        self.record
            .note(|facts| facts.broke_off = Some(reason.to_owned()));
    }

    fn see_content(&mut self, choice: u32) {
        *self.pieces.entry(choice).or_default() += 1;
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

    fn see_usage(&mut self, choice: u32, usage: Usage) {
        self.pieces.remove(&choice);
        self.completion_tokens += u64::from(usage.completion_tokens);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let total = self.completion_tokens + self.pieces.values().sum::<u64>();
        self.record
            .note(|facts| facts.completion_tokens = Some(total));
    }
}
