//! From a request to an answer that has begun: the model is there, the request is admitted.

use super::Cost;
use super::meter::Meter;
use crate::caller::{Asker, Ending};
use crate::error::ApiError;
use crate::middleware::Record;
use crate::state::ApiState;
use axum::extract::FromRequestParts;
use futures::stream::{BoxStream, StreamExt, select_all};
use http::request::Parts;
use rustygpt_model::contract::{GenerateRequest, GenerationEvent};
use rustygpt_orchestrator::access::Caller;
use rustygpt_orchestrator::chat;
use rustygpt_orchestrator::models::Lease;
use std::sync::Arc;
use std::time::Instant;

/// Longest list of parameter names sent back.
const IGNORED_NAMES: usize = 32;

/// What a model says to one or more requests. Dropping it frees its places in the engine.
pub(super) type Voice = BoxStream<'static, GenerationEvent>;

/// Who asks, and what is noted of it.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) state: ApiState,
    pub(crate) caller: Caller,
    pub(crate) ending: Ending,
    pub(crate) record: Record,
    pub(crate) start: Instant,
}

impl FromRequestParts<ApiState> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let start = Instant::now();
        let Asker(caller) = Asker::from_request_parts(parts, state).await?;
        let ending = match Ending::from_request_parts(parts, state).await {
            Ok(ending) => ending,
            Err(never) => match never {},
        };
        Ok(Self {
            state: state.clone(),
            caller,
            ending,
            record: parts
                .extensions
                .get::<Record>()
                .cloned()
                .unwrap_or_default(),
            start,
        })
    }
}

/// What is asked of a model.
pub(crate) struct Question {
    /// The name of the model.
    pub(crate) model: String,
    /// What the answer's id begins with.
    pub(crate) id_prefix: &'static str,
    /// Parameters known to have no effect or a different one.
    pub(crate) ignored: Vec<String>,
    /// How many answers each request wants.
    pub(crate) choices: u32,
    /// What the engine is asked, once the model is there: at least one request.
    pub(crate) requests: Requests,
}

/// Makes the engine's requests for a model.
pub(crate) type Requests = Box<dyn FnOnce(&Lease) -> Result<Vec<GenerateRequest>, ApiError> + Send>;

impl Question {
    /// One request that needs to know nothing of the model.
    pub(crate) fn one(
        model: String,
        id_prefix: &'static str,
        request: GenerateRequest,
        ignored: Vec<String>,
    ) -> Self {
        Self {
            model,
            id_prefix,
            ignored,
            choices: request.choices,
            requests: Box::new(|_| Ok(vec![request])),
        }
    }
}

/// What every object of one answer repeats.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) fingerprint: String,
}

/// An answer that has begun.
pub(crate) struct Opened {
    pub(crate) head: Head,
    pub(crate) lease: Arc<Lease>,
    /// When the request came.
    pub(crate) start: Instant,
    /// When the model was there.
    pub(crate) loaded: Instant,
    /// How many answers there will be.
    pub(crate) choices: u32,
    pub(super) cost: Cost,
    pub(super) voice: Voice,
    pub(super) meter: Meter,
    /// Parameters that had no effect or a different one.
    pub(super) ignored: Vec<String>,
}

impl Asking {
    /// Waits until the model is in memory.
    ///
    /// # Errors
    /// There is none, it cannot be loaded, or who asks may not wait on: the server stops, their access ends.
    pub(crate) async fn lease(&self, model: &str) -> Result<Lease, ApiError> {
        tokio::select! {
            lease = chat::model(&self.state.models, &self.caller, model) => Ok(lease?),
            () = self.ending.token().cancelled() => Err(self.ending.reason().0),
        }
    }

    /// Sets aside what the answers may take of the key's quota, if it has one.
    ///
    /// # Errors
    /// Nothing is left of it.
    pub(crate) async fn set_aside(&self, tokens: u64) -> Result<(), ApiError> {
        if let (Some(accounts), Some(reservation)) =
            (&self.state.accounts, self.record.facts().reservation)
        {
            let extended = accounts.extend(reservation, tokens).await?;
            self.record.note(|facts| facts.reservation = Some(extended));
        }
        Ok(())
    }

    /// Has the requests admitted.
    ///
    /// # Errors
    /// Whatever refuses one of them.
    pub(super) async fn open(
        self,
        lease: Arc<Lease>,
        question: Question,
    ) -> Result<Opened, ApiError> {
        let Question {
            id_prefix,
            mut ignored,
            choices,
            requests,
            ..
        } = question;
        let loaded = Instant::now();
        let mut prompts = Vec::new();
        let mut voices = Vec::new();
        let (mut model, mut fingerprint) = (String::new(), String::new());
        let mut most_tokens = 0_u64;
        for (number, mut request) in (0..).zip(requests(&lease)?) {
            let names_length = request.limits.max_tokens.is_some();
            if let Some(accounts) = &self.state.accounts {
                accounts.policy().complete(&mut request);
            }
            let length = request.limits.max_tokens.map_or(u64::MAX, u64::from);
            let length = length.saturating_mul(u64::from(request.choices));
            let answer = chat::complete(Arc::clone(&lease), &self.caller, request).await?;
            let notes = answer.speech.notes().iter();
            let notes = notes.map(|note| parameter_name(note));
            // What the client did not say was not ignored either.
            ignored.extend(notes.filter(|name| names_length || name != "max_tokens"));
            let prompt_tokens = answer.speech.prompt_tokens();
            prompts.push(prompt_tokens);
            most_tokens = most_tokens
                .saturating_add(length)
                .saturating_add(u64::from(prompt_tokens));
            (model, fingerprint) = (answer.model, answer.fingerprint);
            let first = choices.saturating_mul(number);
            voices.push(
                answer
                    .speech
                    .map(move |event| numbered(event, first))
                    .boxed(),
            );
        }
        // Refused, the answers are dropped, which takes them out of the queue.
        self.set_aside(most_tokens).await?;
        ignored.sort();
        ignored.dedup();
        ignored.truncate(IGNORED_NAMES);
        let cost = Cost::of_prompts(&prompts, choices);
        self.record.note(|facts| {
            facts.model = Some(model.clone());
            facts.prompt_tokens = Some(cost.prompt);
            facts.completion_tokens = Some(0);
            facts.ignored.clone_from(&ignored);
        });
        let head = Head {
            id: (self.state.new_id)(id_prefix).map_err(ApiError::internal)?,
            created: self.state.clock.unix_seconds(),
            model,
            fingerprint,
        };
        let measurements = &self.state.measurements;
        let meter = Meter::new(measurements, &head.model, self.record, self.start);
        let choices = choices.saturating_mul(u32::try_from(voices.len()).unwrap_or(u32::MAX));
        let voice = match voices.len() {
            1 => voices.remove(0),
            _ => select_all(voices).boxed(),
        };
        Ok(Opened {
            head,
            lease,
            start: self.start,
            loaded,
            choices,
            cost,
            voice,
            meter,
            ignored,
        })
    }
}

/// The event of a request whose choices are counted from `first`.
fn numbered(mut event: GenerationEvent, first: u32) -> GenerationEvent {
    match &mut event {
        GenerationEvent::Text { choice, .. }
        | GenerationEvent::Reasoning { choice, .. }
        | GenerationEvent::ToolCallBegin { choice, .. }
        | GenerationEvent::ToolCallArguments { choice, .. }
        | GenerationEvent::ToolCallEnd { choice, .. }
        | GenerationEvent::Finish { choice, .. } => *choice += first,
        GenerationEvent::Failed { .. } => {}
    }
    event
}

/// The parameter that a note of the engine begins with.
fn parameter_name(note: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    note.chars().take_while(|&c| is_part(c)).take(64).collect()
}
