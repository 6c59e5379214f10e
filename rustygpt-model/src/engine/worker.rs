//! [`Worker`]: the engine thread. Admission, plan, forward pass, sampling, events; again.

use super::counters::{Counters, Place};
use super::guide::Guide;
use super::scheduler::{NewSequence, Scheduler, SchedulerLimits};
use super::shape::Shape;
use super::speculation::Speculator;
use super::submission::{Command, Submission};
use super::{EngineOptions, Monotonic, PromptCache};
use crate::contract::{
    FinishReason, Forward, ForwardError, GenerationEvent, Geometry, Logits, SequenceId, StepPlan,
};
use crate::decode::StreamDecoder;
use crate::grammar::{GrammarError, Mask, Masker};
use crate::sampling::{Sampler, SamplerSetup, Workspace};
use crate::tokenizer::Tokenizer;
use speed::Speed;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

mod answer;
mod pieces;
mod speed;
mod texts;

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
    prompt_cache: Option<PromptCache>,
    /// Whether sequences take over what others have read.
    shares_texts: bool,
    /// How many texts had been published when they were last saved.
    saved: u64,
    /// What was received and is not done yet.
    pending: Option<Command>,
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
    /// Guesses what comes next, if guesses are wanted.
    speculator: Option<Speculator>,
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
        let shares_texts = geometry.shares_blocks && !options.computes_alone(&geometry);
        let scheduler = Scheduler::new(SchedulerLimits {
            slots: options.slots,
            step_tokens: options.max_step_tokens,
            prompt_tokens_beside_answers: options.prompt_tokens_beside_answers,
            shares_blocks: shares_texts,
            ..SchedulerLimits::of(&geometry)
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
            prompt_cache: options.prompt_cache.clone(),
            shares_texts,
            saved: 0,
            pending: None,
        }
    }

    /// Works until it is told to end, every handle is gone, or the model is lost.
    pub(super) fn run(mut self) {
        self.load_texts();
        while !self.counters.is_stopped() && self.take_commands() {
            self.drop_cancelled();
            self.end_overdue();
            self.step();
            self.publish();
        }
        // What a model that was lost has computed is not kept.
        let is_sound = !self.counters.is_stopped();
        self.counters.stop("it was shut down");
        let reason = self.counters.stopped_error().to_string();
        let requests: Vec<_> = self.requests.keys().copied().collect();
        for request in requests {
            self.fail(request, &reason);
        }
        self.publish();
        if is_sound {
            self.save_texts(false);
        }
    }

    /// Takes what was sent; waits for something only if there is nothing to do. Returns whether to
    /// go on.
    fn take_commands(&mut self) -> bool {
        if self.scheduler.is_idle() {
            match self.wait() {
                Ok(Command::Submit(submission)) => self.begin(*submission),
                Ok(Command::Shutdown) | Err(mpsc::RecvError) => return false,
            }
        }
        loop {
            let next = match self.pending.take() {
                Some(command) => Ok(command),
                None => self.commands.try_recv(),
            };
            match next {
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
                    speculator: submission.sources.clone().map(Speculator::new),
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
                cache_salt: submission.cache_salt.clone(),
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

    /// Offers the scheduler what the running answers may say next.
    fn offer_guesses(&mut self) {
        let Some(threshold) = self.scheduler.draft_threshold() else {
            return;
        };
        for (&id, choice) in &mut self.choices {
            let (Some(speculator), Some(request)) =
                (&mut choice.speculator, self.requests.get(&choice.request))
            else {
                continue;
            };
            // The token that is chosen in any case has its own row.
            let rest = request.max_tokens.saturating_sub(choice.written + 1);
            if choice.written > 0 && rest > 0 {
                let draft = speculator.draft(threshold, rest as usize);
                self.scheduler.propose(id, draft);
            }
        }
    }

    fn step(&mut self) {
        self.offer_guesses();
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
                let took = self.clock.now().saturating_sub(began);
                self.scheduler.note_time(&plan, took);
                self.speed.note(written, took);
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
            .kv_blocks_kept
            .store(self.scheduler.blocks_kept(), Relaxed);
        counters
            .cached_prompt_tokens
            .store(self.scheduler.reused_tokens(), Relaxed);
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
