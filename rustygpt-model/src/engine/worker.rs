//! [`Worker`]: the engine thread. Admission, plan, forward pass, sampling, events; again.

use super::counters::{Counters, Place};
use super::guide::Guide;
use super::scheduler::{NewSequence, Scheduler, SchedulerLimits};
use super::shape::Shape;
use super::submission::{Command, Submission};
use super::{EngineOptions, Monotonic};
use crate::contract::{
    FinishReason, Forward, ForwardError, GenerationEvent, Geometry, Logits, SequenceId, StepPlan,
    TokenLogprob, TopLogprob, Usage,
};
use crate::decode::StreamDecoder;
use crate::grammar::{GrammarError, Mask, Masker};
use crate::sampling::{Chosen, Sampler, SamplerSetup, Workspace};
use crate::tokenizer::Tokenizer;
use pieces::send;
use speed::Speed;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

mod pieces;
mod speed;

/// What a client reads when our own code or the device failed.
const INTERNAL_FAILURE: &str = "the engine failed while it computed this answer; try again";

/// The engine thread's state.
pub(super) struct Worker {
    forward: Box<dyn Forward>,
    geometry: Geometry,
    tokenizer: Arc<Tokenizer>,
    clock: Arc<dyn Monotonic>,
    counters: Arc<Counters>,
    commands: mpsc::Receiver<Command>,
    scheduler: Scheduler,
    requests: BTreeMap<RequestNumber, Request>,
    choices: BTreeMap<SequenceId, Choice>,
    next_request: RequestNumber,
    next_sequence: u64,
    workspace: Workspace,
    masker: Masker<SequenceId>,
    speed: Speed,
}

type RequestNumber = u64;
type Masks = BTreeMap<SequenceId, Result<Mask, GrammarError>>;

/// A request of which at least one choice is unfinished.
struct Request {
    events: UnboundedSender<GenerationEvent>,
    deadline: Option<Duration>,
    prompt_tokens: u32,
    max_tokens: u32,
    ending: Arc<[u32]>,
    shape: Shape,
    unfinished: Vec<SequenceId>,
    place: Place,
}

/// An unfinished choice, waiting or running.
struct Choice {
    request: RequestNumber,
    index: u32,
    sampler: Sampler,
    decoder: StreamDecoder,
    guide: Guide,
    /// Tool calls that have begun.
    calls: u32,
    /// Tokens of reasoning.
    reasoned: u32,
    written: u32,
    /// When it first took part in a step.
    began: Option<Duration>,
}

impl Worker {
    pub(super) fn new(
        forward: Box<dyn Forward>,
        masker: Masker<SequenceId>,
        tokenizer: Arc<Tokenizer>,
        options: &EngineOptions,
        counters: Arc<Counters>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let geometry = forward.geometry();
        let scheduler = Scheduler::new(SchedulerLimits {
            slots: options.slots,
            step_tokens: options.max_step_tokens,
            prompt_tokens_beside_answers: options.prompt_tokens_beside_answers,
            block_size: geometry.block_size,
            block_count: geometry.block_count,
        });
        Self {
            forward,
            geometry,
            tokenizer,
            clock: Arc::clone(&options.clock),
            counters,
            commands,
            scheduler,
            requests: BTreeMap::new(),
            choices: BTreeMap::new(),
            next_request: 0,
            next_sequence: 0,
            workspace: Workspace::default(),
            masker,
            speed: Speed::default(),
        }
    }

    /// Works until it is told to end, every handle is gone, or the model is lost.
    pub(super) fn run(mut self) {
        while !self.counters.is_stopped() && self.take_commands() {
            self.drop_cancelled();
            self.end_overdue();
            self.step();
            self.publish();
        }
        self.counters.stop("it was shut down");
        let reason = self.counters.stopped_error().to_string();
        let requests: Vec<_> = self.requests.keys().copied().collect();
        for request in requests {
            self.fail(request, &reason);
        }
        self.publish();
    }

    /// Takes what was sent; waits for something only if there is nothing to do. Returns whether to
    /// go on.
    fn take_commands(&mut self) -> bool {
        if self.scheduler.is_idle() {
            match self.commands.recv() {
                Ok(Command::Submit(submission)) => self.begin(*submission),
                Ok(Command::Shutdown) | Err(mpsc::RecvError) => return false,
            }
        }
        loop {
            match self.commands.try_recv() {
                Ok(Command::Submit(submission)) => self.begin(*submission),
                Ok(Command::Shutdown) => return false,
                Err(mpsc::TryRecvError::Empty | mpsc::TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn begin(&mut self, submission: Submission) {
        let number = self.next_request;
        self.next_request += 1;
        let prompt_tokens = submission.prompt.len() as u32;
        self.counters
            .prompt_tokens
            .fetch_add(u64::from(prompt_tokens), Relaxed);
        let mut unfinished = Vec::with_capacity(submission.seeds.len());
        for (index, &seed) in submission.seeds.iter().enumerate() {
            let id = SequenceId(self.next_sequence);
            self.next_sequence += 1;
            let sampler = Sampler::new(SamplerSetup {
                settings: Arc::clone(&submission.settings),
                seed,
                prompt: &submission.prompt,
                ending: Arc::clone(&submission.ending),
                min_tokens: submission.min_tokens,
                logprobs: submission.logprobs,
            });
            let shape = &submission.shape;
            let decoder = shape.decoder(Arc::clone(&self.tokenizer), submission.stop.clone());
            self.choices.insert(
                id,
                Choice {
                    request: number,
                    index: index as u32,
                    sampler,
                    decoder,
                    guide: shape.guide(&submission.ending),
                    calls: 0,
                    reasoned: 0,
                    written: 0,
                    began: None,
                },
            );
            self.scheduler.enqueue(NewSequence {
                id,
                priority: submission.priority,
                tokens: submission.prompt.clone(),
            });
            unfinished.push(id);
        }
        let request = Request {
            events: submission.events,
            deadline: submission.deadline,
            prompt_tokens,
            max_tokens: submission.max_tokens,
            ending: submission.ending,
            shape: submission.shape,
            unfinished: unfinished.clone(),
            place: submission.place,
        };
        let is_empty = request.max_tokens == 0;
        self.requests.insert(number, request);
        if is_empty {
            for id in unfinished {
                self.finish(id, FinishReason::Length);
            }
        }
    }

    /// Frees what belongs to clients that are gone.
    fn drop_cancelled(&mut self) {
        let gone: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| request.events.is_closed())
            .map(|(&number, _)| number)
            .collect();
        for number in gone {
            self.forget(number);
        }
    }

    fn end_overdue(&mut self) {
        if self
            .requests
            .values()
            .all(|request| request.deadline.is_none())
        {
            return;
        }
        let now = self.clock.now();
        let overdue: Vec<_> = self
            .requests
            .values()
            .filter(|request| request.deadline.is_some_and(|deadline| deadline <= now))
            .flat_map(|request| request.unfinished.iter().copied())
            .collect();
        for id in overdue {
            self.finish(id, FinishReason::Deadline);
        }
    }

    fn step(&mut self) {
        let plan = self.scheduler.plan();
        if plan.sequences.is_empty() {
            if !self.scheduler.is_idle() {
                // The scheduler promises that this cannot happen; better an error than a spin.
                tracing::error!("nothing that waits can ever run");
                self.counters.stop("its engine came to a standstill");
            }
            return;
        }
        let began = self.clock.now();
        for step in &plan.sequences {
            if let Some(choice) = self.choices.get_mut(&step.sequence) {
                choice.began.get_or_insert(began);
            }
        }
        self.counters
            .running
            .store(self.scheduler.running(), Relaxed);
        self.counters.steps.fetch_add(1, Relaxed);
        self.lend_matchers(&plan);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.forward.forward(&plan)));
        let masks = self.collect_masks();
        match outcome {
            Ok(Ok(logits)) if self.has_right_shape(&plan, &logits) => {
                self.scheduler.complete(&plan);
                let written = self.apply(&plan, logits, &masks);
                self.speed
                    .note(written, self.clock.now().saturating_sub(began));
            }
            Ok(Ok(_)) => {
                tracing::error!("the model returned logits of the wrong shape");
                self.fail_step(&plan);
            }
            Ok(Err(error @ ForwardError::WeightsLost)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the model is lost"
                );
                self.counters.stop(&error.to_string());
            }
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a step failed");
                self.fail_step(&plan);
            }
            Err(_) => {
                tracing::error!("the model panicked in a step");
                self.counters.stop("its engine panicked");
            }
        }
    }

    /// Has the masks of the answers that go on computed beside the forward pass.
    fn lend_matchers(&mut self, plan: &StepPlan) {
        for step in plan.sequences.iter().filter(|step| step.logit_rows() > 0) {
            let choice = self.choices.get_mut(&step.sequence);
            if let Some(matcher) = choice.and_then(|choice| choice.guide.lend()) {
                self.masker.lend(step.sequence, matcher);
            }
        }
    }

    fn collect_masks(&mut self) -> Masks {
        let mut masks = Masks::new();
        for masked in self.masker.collect() {
            if let Some(choice) = self.choices.get_mut(&masked.key) {
                choice.guide.take_back(masked.matcher);
                masks.insert(masked.key, masked.mask);
            }
        }
        masks
    }

    fn has_right_shape(&self, plan: &StepPlan, logits: &Logits) -> bool {
        let rows: usize = plan.sequences.iter().map(|step| step.logit_rows()).sum();
        rows == 0
            || logits.vocabulary == self.geometry.vocabulary
                && logits.values.len() == rows * logits.vocabulary
    }

    /// Chooses a token for every sequence whose last token was read. Returns how many.
    fn apply(&mut self, plan: &StepPlan, mut logits: Logits, masks: &Masks) -> u32 {
        let mut rows = logits.values.chunks_exact_mut(logits.vocabulary.max(1));
        let mut written = 0;
        for step in &plan.sequences {
            if step.logit_rows() == 0 {
                continue;
            }
            let Some(row) = rows.next() else { break };
            // A sequence may have gone within this very step, with the request that failed.
            let Some(choice) = self.choices.get_mut(&step.sequence) else {
                continue;
            };
            let mask = match masks.get(&step.sequence) {
                None => None,
                Some(Ok(mask)) => Some(mask),
                Some(Err(error)) => {
                    let number = choice.request;
                    self.fail(number, &error.to_string());
                    continue;
                }
            };
            match choice
                .sampler
                .choose_allowed(row, mask, &mut self.workspace)
            {
                Ok(chosen) => {
                    written += 1;
                    self.accept(step.sequence, chosen);
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a row failed");
                    let number = choice.request;
                    self.fail(number, INTERNAL_FAILURE);
                }
            }
        }
        self.counters
            .completion_tokens
            .fetch_add(u64::from(written), Relaxed);
        written
    }

    fn accept(&mut self, id: SequenceId, chosen: Chosen) {
        let Some(choice) = self.choices.get_mut(&id) else {
            return;
        };
        let Some(request) = self.requests.get(&choice.request) else {
            return;
        };
        choice.written += 1;
        let token = chosen.token;
        if request.ending.contains(&token) {
            return self.finish(id, FinishReason::Stop);
        }
        let is_complete = match choice.guide.accept(token) {
            Ok(is_complete) => is_complete,
            Err(error) => {
                let number = choice.request;
                return self.fail(number, &error.to_string());
            }
        };
        let logprob = logprob(&self.tokenizer, chosen);
        choice.reasoned += u32::from(choice.decoder.is_reasoning());
        let decoded = choice.decoder.push(token, logprob);
        choice.guide.follow(&decoded.turns);
        let is_stopped = decoded.is_stopped;
        send(request, choice, decoded);
        if is_stopped {
            self.end(id, FinishReason::Stop);
        } else if is_complete {
            self.finish(id, FinishReason::Stop);
        } else if choice.written >= request.max_tokens {
            self.finish(id, FinishReason::Length);
        } else {
            self.scheduler.append(id, token);
        }
    }

    /// Ends a choice, its held-back text first.
    fn finish(&mut self, id: SequenceId, reason: FinishReason) {
        let Some(choice) = self.choices.get_mut(&id) else {
            return;
        };
        let Some(request) = self.requests.get(&choice.request) else {
            return;
        };
        let rest = choice.decoder.finish();
        // The last half of a stop string may only come out of the held-back bytes.
        let reason = match rest.is_stopped {
            true => FinishReason::Stop,
            false => reason,
        };
        send(request, choice, rest);
        self.end(id, reason);
    }

    fn end(&mut self, id: SequenceId, reason: FinishReason) {
        self.scheduler.remove(id);
        let Some(choice) = self.choices.remove(&id) else {
            return;
        };
        if let Some(began) = choice.began {
            self.speed
                .note_choice(self.clock.now().saturating_sub(began));
        }
        let Some(request) = self.requests.get_mut(&choice.request) else {
            return;
        };
        let usage = Usage {
            prompt_tokens: request.prompt_tokens,
            completion_tokens: choice.written,
            reasoning_tokens: choice.reasoned,
            ..Usage::default()
        };
        let reason = match reason {
            FinishReason::Stop if choice.decoder.has_calls() => request.shape.calls_reason(),
            reason => reason,
        };
        // The room is free before the client hears of it and asks again.
        request.unfinished.retain(|&other| other != id);
        request.place.shrink_to(request.unfinished.len());
        self.counters
            .running
            .store(self.scheduler.running(), Relaxed);
        // An error means that the client is gone; the next sweep frees the rest.
        let _ = request.events.send(GenerationEvent::Finish {
            choice: choice.index,
            reason,
            usage,
        });
        if request.unfinished.is_empty() {
            self.requests.remove(&choice.request);
        }
    }

    /// Ends the requests that took part in a step that failed.
    fn fail_step(&mut self, plan: &StepPlan) {
        for step in &plan.sequences {
            if let Some(choice) = self.choices.get(&step.sequence) {
                self.fail(choice.request, INTERNAL_FAILURE);
            }
        }
    }

    fn fail(&mut self, number: RequestNumber, message: &str) {
        if let Some(request) = self.requests.get(&number) {
            // An error means that the client is gone already.
            let _ = request.events.send(GenerationEvent::Failed {
                message: message.to_owned(),
            });
        }
        self.forget(number);
    }

    fn forget(&mut self, number: RequestNumber) {
        for id in self
            .requests
            .remove(&number)
            .into_iter()
            .flat_map(|request| request.unfinished)
        {
            self.scheduler.remove(id);
            self.choices.remove(&id);
        }
    }

    fn publish(&self) {
        let counters = &self.counters;
        counters.running.store(self.scheduler.running(), Relaxed);
        counters
            .kv_blocks_used
            .store(self.scheduler.blocks_used(), Relaxed);
        counters
            .preemptions
            .store(self.scheduler.preemptions(), Relaxed);
        counters
            .tokens_per_second
            .store(self.speed.tokens_per_second().to_bits(), Relaxed);
        counters
            .seconds_per_choice
            .store(self.speed.seconds_per_choice().to_bits(), Relaxed);
    }
}

fn logprob(tokenizer: &Tokenizer, chosen: Chosen) -> Option<TokenLogprob> {
    let (logprob, row) = chosen.logprob?;
    let bytes = |id| tokenizer.token_bytes(id).into_owned();
    let top = row.top.into_iter();
    Some(TokenLogprob {
        id: chosen.token,
        bytes: bytes(chosen.token),
        logprob,
        top: top
            .map(|(id, logprob)| TopLogprob {
                id,
                bytes: bytes(id),
                logprob,
            })
            .collect(),
    })
}
