//! [`LoadedModel`]: the handle of one engine.

use super::admission::{Admission, Reading, check_input};
use super::counters::{Counters, Place};
use super::shape::Shaper;
use super::speculation::Sources;
use super::submission::Command;
use super::worker::Worker;
use super::{EngineOptions, EngineStatus, Generation};
use crate::contract::{Forward, GenerateRequest, Geometry, Input, ModelDescription, ModelError};
use crate::grammar::Masker;
use crate::prompt::{ChatTemplate, Renderer, prompt_tokens};
use crate::tokenizer::Tokenizer;
use rustygpt_utils::tasks::Tasks;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What an engine is made of.
pub struct ModelParts {
    /// What is known of the model.
    pub description: ModelDescription,
    /// The model.
    pub forward: Box<dyn Forward>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its chat template; without one, conversations are refused.
    pub template: Option<ChatTemplate>,
    /// Who renders the template.
    pub renderer: Renderer,
    /// How much the engine does at once.
    pub options: EngineOptions,
}

/// One loaded language model and its engine thread. Clones share it; the thread ends with the
/// last of them, once nothing runs, or with [`LoadedModel::shutdown`].
#[derive(Clone)]
pub struct LoadedModel {
    inner: Arc<Inner>,
}

struct Inner {
    description: ModelDescription,
    geometry: Geometry,
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
    renderer: Renderer,
    shaper: Shaper,
    options: EngineOptions,
    counters: Arc<Counters>,
    commands: mpsc::Sender<Command>,
    /// Closed when the engine thread has ended and the model is freed.
    ended: watch::Receiver<()>,
    /// Renderings and tokenisings on blocking threads.
    tasks: Tasks,
}

impl LoadedModel {
    /// Starts the engine thread. The description's context length becomes what one request can
    /// really have: no more than the cache holds.
    ///
    /// # Errors
    /// [`ModelError::Internal`] when the operating system gives no thread.
    pub fn start(parts: ModelParts) -> Result<Self, ModelError> {
        let ModelParts {
            mut description,
            forward,
            tokenizer,
            template,
            renderer,
            options,
        } = parts;
        let mut geometry = forward.geometry();
        let options = options.on(&geometry);
        let cached = geometry.block_count.saturating_mul(geometry.block_size);
        geometry.context_length = geometry.context_length.min(cached);
        description.context_length = geometry.context_length;
        let counters = Arc::new(Counters::default());
        let (commands, received) = mpsc::channel();
        let (ending, ended) = watch::channel(());
        let masker = Masker::start().map_err(|error| ModelError::Internal(Box::new(error)))?;
        let worker = Worker::new(
            forward,
            masker,
            Arc::clone(&tokenizer),
            &options,
            Arc::clone(&counters),
            received,
        );
        let stopping = Arc::clone(&counters);
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                // Clients learn of a panic through their closed channels.
                if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                    tracing::error!("the engine thread panicked");
                    stopping.stop("its engine panicked");
                }
                drop(ending);
            })
            .map_err(|error| ModelError::Internal(Box::new(error)))?;
        let tasks = Tasks::new();
        let shaper = Shaper::new(Arc::clone(&tokenizer), template.as_ref());
        Ok(Self {
            inner: Arc::new(Inner {
                description,
                geometry,
                tokenizer,
                template,
                renderer,
                shaper,
                options,
                counters,
                commands,
                ended,
                tasks,
            }),
        })
    }

    /// What is known of the model.
    #[must_use]
    pub fn description(&self) -> &ModelDescription {
        &self.inner.description
    }

    /// The model's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.inner.tokenizer
    }

    /// Renders and tokenises a request, compiles its grammar, checks its bounds and gives it a
    /// place in the queue. All of that runs on a blocking thread.
    ///
    /// # Errors
    /// - [`ModelError::Unsupported`]: the request asks for what this model cannot do;
    /// - [`ModelError::QueueFull`]: refused before anything is rendered;
    /// - [`ModelError::Template`], [`ModelError::ContextLengthExceeded`];
    /// - [`ModelError::Stopped`]: the engine does not run.
    pub async fn admit(&self, request: GenerateRequest) -> Result<Generation, ModelError> {
        let inner = &self.inner;
        let arrived = inner.options.clock.now();
        if inner.counters.is_stopped() {
            return Err(inner.counters.stopped_error());
        }
        let admission = Admission {
            description: &inner.description,
            geometry: inner.geometry,
            tokenizer: &inner.tokenizer,
            has_template: inner.template.is_some(),
            default_max_tokens: inner.options.default_max_tokens,
        };
        admission.check(&request)?;
        let place = Place::take(
            &inner.counters,
            request.choices as usize,
            inner.options.slots,
            inner.options.queue_limit,
        )?;
        let param = match request.input {
            Input::Chat { .. } => "messages",
            Input::Text(_) | Input::Tokens(_) => "prompt",
        };
        let (request, reading) = self.read(request).await?;
        let (submission, events, notes) =
            admission.submission(request, param, reading, arrived, place)?;
        let prompt_tokens = submission.prompt.len() as u32;
        let choices = submission.seeds.len() as u32;
        inner
            .commands
            .send(Command::Submit(Box::new(submission)))
            .map_err(|_| inner.counters.stopped_error())?;
        let counters = Arc::clone(&inner.counters);
        Ok(Generation::new(
            events,
            choices,
            counters,
            prompt_tokens,
            notes,
        ))
    }

    /// The tokens that the model would read of an input: a conversation is rendered by the model's
    /// template. Nothing is computed with them.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for a conversation where the model has no template or cannot
    /// take a part of it; [`ModelError::Template`].
    pub async fn prompt(&self, input: Input) -> Result<Vec<u32>, ModelError> {
        check_input(&input, self.inner.template.is_some())?;
        let Ok(runtime) = Handle::try_current() else {
            return self.inner.prompt_tokens(&input).await;
        };
        let inner = Arc::clone(&self.inner);
        let work = move || runtime.block_on(inner.prompt_tokens(&input));
        match self.inner.tasks.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(ModelError::Internal(Box::new(error))),
        }
    }

    async fn read(
        &self,
        request: GenerateRequest,
    ) -> Result<(GenerateRequest, Reading), ModelError> {
        let Ok(runtime) = Handle::try_current() else {
            let reading = self.inner.read(&request).await?;
            return Ok((request, reading));
        };
        let inner = Arc::clone(&self.inner);
        let work = move || {
            let reading = runtime.block_on(inner.read(&request))?;
            Ok((request, reading))
        };
        match self.inner.tasks.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(ModelError::Internal(Box::new(error))),
        }
    }

    /// How busy the engine is now.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        let inner = &self.inner;
        inner
            .counters
            .status(inner.options.slots, inner.geometry.block_count)
    }

    /// Ends the engine thread after the forward pass that runs, and waits until the model is
    /// freed. Unfinished requests end with [`crate::contract::GenerationEvent::Failed`].
    pub async fn shutdown(&self) {
        // An error means that the thread has ended already.
        let _ = self.inner.commands.send(Command::Shutdown);
        let mut ended = self.inner.ended.clone();
        // Nothing is ever sent: this resolves when the thread drops its end.
        let _ = ended.changed().await;
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    async fn read(&self, request: &GenerateRequest) -> Result<Reading, ModelError> {
        let mut shape = self.shaper.shape(request)?;
        let prompt = self.prompt_tokens(&request.input).await?;
        shape.see_prompt(&self.tokenizer, &prompt);
        let prediction = request.prediction.as_ref();
        let sources = self.options.is_speculating.then(|| {
            let prediction = prediction.map(|text| self.tokenizer.encode(text));
            Sources::new(&prompt, prediction.as_deref())
        });
        Ok(Reading {
            prompt,
            sources,
            shape,
        })
    }

    async fn prompt_tokens(&self, input: &Input) -> Result<Vec<u32>, ModelError> {
        if let Input::Tokens(tokens) = input {
            return Ok(tokens.clone());
        }
        let chatml;
        let template = match &self.template {
            Some(template) => template,
            // Only bare text comes here without a template; it is not rendered.
            None => {
                chatml = ChatTemplate::chatml();
                &chatml
            }
        };
        prompt_tokens(&self.renderer, template, &self.tokenizer, input).await
    }
}

impl fmt::Debug for LoadedModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoadedModel")
            .field("description", &self.inner.description)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
