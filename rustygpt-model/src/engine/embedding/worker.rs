//! [`Worker`]: the thread that owns a model that embeds.

use super::EmbeddingOptions;
use super::queue::{Queue, RequestNumber, TextNumber};
use crate::contract::{Embed, ForwardError, ModelError};
use crate::engine::Monotonic;
use crate::engine::counters::{Counters, Place};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// The vectors of a request's texts as the model gives them, or why there are none.
type Reply = Result<Vec<Vec<f32>>, ModelError>;

/// A message to the engine thread.
pub(super) enum Command {
    /// Embed this.
    Submit(Submission),
    /// End now.
    Shutdown,
}

/// An admitted request: tokenised, every bound checked.
pub(super) struct Submission {
    /// None of them empty or longer than the context.
    pub(super) texts: Vec<Vec<u32>>,
    pub(super) reply: oneshot::Sender<Reply>,
    pub(super) place: Place,
}

/// The engine thread's state.
pub(super) struct Worker {
    model: Box<dyn Embed>,
    clock: Arc<dyn Monotonic>,
    counters: Arc<Counters>,
    commands: mpsc::Receiver<Command>,
    queue: Queue,
    requests: BTreeMap<RequestNumber, Request>,
    next_request: RequestNumber,
}

/// A request of which at least one text is not embedded.
struct Request {
    texts: Vec<Vec<u32>>,
    vectors: Vec<Option<Vec<f32>>>,
    missing: usize,
    reply: oneshot::Sender<Reply>,
    began: Option<Duration>,
    /// Given back with the request.
    _place: Place,
}

impl Worker {
    pub(super) fn new(
        model: Box<dyn Embed>,
        options: &EmbeddingOptions,
        counters: Arc<Counters>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            model,
            clock: Arc::clone(&options.clock),
            counters,
            commands,
            queue: Queue::new(options.slots, options.step_tokens),
            requests: BTreeMap::new(),
            next_request: 0,
        }
    }

    /// Works until it is told to end, every handle is gone, or the model is lost.
    pub(super) fn run(mut self) {
        while !self.counters.is_stopped() && self.take_commands() {
            self.drop_cancelled();
            self.step();
        }
        self.counters.stop("it was shut down");
        for request in std::mem::take(&mut self.requests).into_values() {
            // An error means that the client is gone.
            let _ = request.reply.send(Err(self.counters.stopped_error()));
        }
        self.counters.running.store(0, Relaxed);
    }

    /// Takes what was sent; waits for something only if there is nothing to do. Returns whether to
    /// go on.
    fn take_commands(&mut self) -> bool {
        if self.queue.is_empty() {
            match self.commands.recv() {
                Ok(Command::Submit(submission)) => self.begin(submission),
                Ok(Command::Shutdown) | Err(mpsc::RecvError) => return false,
            }
        }
        loop {
            match self.commands.try_recv() {
                Ok(Command::Submit(submission)) => self.begin(submission),
                Ok(Command::Shutdown) => return false,
                Err(mpsc::TryRecvError::Empty | mpsc::TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn begin(&mut self, submission: Submission) {
        let Submission {
            texts,
            reply,
            place,
        } = submission;
        let number = self.next_request;
        self.next_request += 1;
        self.queue.push(number, texts.iter().map(Vec::len));
        let tokens: usize = texts.iter().map(Vec::len).sum();
        self.counters
            .prompt_tokens
            .fetch_add(tokens as u64, Relaxed);
        let request = Request {
            vectors: vec![None; texts.len()],
            missing: texts.len(),
            texts,
            reply,
            began: None,
            _place: place,
        };
        self.requests.insert(number, request);
    }

    /// Forgets requests whose clients went away.
    fn drop_cancelled(&mut self) {
        let queue = &mut self.queue;
        self.requests.retain(|&number, request| {
            let is_wanted = !request.reply.is_closed();
            if !is_wanted {
                queue.remove(number);
            }
            is_wanted
        });
    }

    fn step(&mut self) {
        let pass = self.queue.next_pass();
        if pass.is_empty() {
            return;
        }
        let began = self.clock.now();
        let mut texts = Vec::with_capacity(pass.len());
        let mut running = 0;
        let mut last = None;
        for text in &pass {
            // The queue knows no request that is not here.
            let Some(request) = self.requests.get_mut(&text.request) else {
                return;
            };
            request.began.get_or_insert(began);
            if last.replace(text.request) != Some(text.request) {
                running += 1;
            }
        }
        for text in &pass {
            if let Some(request) = self.requests.get(&text.request) {
                texts.push(request.texts[text.index].as_slice());
            }
        }
        self.counters.running.store(running, Relaxed);
        self.counters.steps.fetch_add(1, Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.model.embed(&texts)));
        match outcome {
            Ok(Ok(vectors)) if vectors.len() == pass.len() => self.apply(&pass, vectors),
            Ok(Ok(_)) => {
                tracing::error!("the model returned the wrong number of vectors");
                self.fail(&pass);
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
                self.fail(&pass);
            }
            Err(_) => {
                tracing::error!("the model panicked in a step");
                self.counters.stop("its engine panicked");
            }
        }
        self.counters.running.store(0, Relaxed);
    }

    fn apply(&mut self, pass: &[TextNumber], vectors: Vec<Vec<f32>>) {
        for (text, vector) in pass.iter().zip(vectors) {
            let Some(request) = self.requests.get_mut(&text.request) else {
                continue;
            };
            request.vectors[text.index] = Some(vector);
            request.missing -= 1;
            if request.missing > 0 {
                continue;
            }
            let Some(request) = self.requests.remove(&text.request) else {
                continue;
            };
            if let Some(began) = request.began {
                let seconds = self.clock.now().saturating_sub(began).as_secs_f64();
                self.counters
                    .seconds_per_choice
                    .store(seconds.to_bits(), Relaxed);
            }
            let vectors = request.vectors.into_iter().flatten().collect();
            // The room is free before the client hears of it and asks again.
            drop(request._place);
            // An error means that the client is gone.
            let _ = request.reply.send(Ok(vectors));
        }
    }

    /// Ends the requests that took part in a pass that failed.
    fn fail(&mut self, pass: &[TextNumber]) {
        for text in pass {
            self.queue.remove(text.request);
            if let Some(request) = self.requests.remove(&text.request) {
                // An error means that the client is gone.
                let _ = request.reply.send(Err(ModelError::Internal(
                    "the engine failed while it computed this request".into(),
                )));
            }
        }
    }
}
