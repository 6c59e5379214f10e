//! [`EmbeddingModel`]: the handle of a model that embeds, and its one thread.
//!
//! - the handle tokenises, checks bounds and takes a place in the queue, on the caller's task;
//! - [`queue`]: which texts share the next forward pass; pure;
//! - `worker`: the thread that owns the model.

pub mod queue;
#[cfg(test)]
mod tests;
mod worker;

use super::counters::{Counters, Place};
use super::{EngineStatus, Monotonic, SystemMonotonic};
use crate::contract::{
    Embed, EmbeddingInput, EmbeddingRequest, EmbeddingShape, Embeddings, ModelDescription,
    ModelError,
};
use crate::tokenizer::Tokenizer;
use rustygpt_utils::tasks::Tasks;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use tokio::sync::{oneshot, watch};
use worker::{Command, Submission, Worker};

/// Tokens of all texts of a request together, as OpenAI bounds them.
pub const REQUEST_TOKENS: usize = 300_000;

/// What the engine of a model that embeds is made of.
pub struct EmbeddingParts {
    /// What is known of the model.
    pub description: ModelDescription,
    /// The model.
    pub model: Box<dyn Embed>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// How much the engine does at once.
    pub options: EmbeddingOptions,
}

/// How much the engine of a model that embeds does at once.
#[derive(Clone)]
pub struct EmbeddingOptions {
    /// Requests that may share forward passes; at least 1.
    pub slots: usize,
    /// Requests that may wait beside those; one more is refused.
    pub queue_limit: usize,
    /// Tokens of one forward pass; a longer text has a pass of its own.
    pub step_tokens: usize,
    /// Measures speed.
    pub clock: Arc<dyn Monotonic>,
}

impl Default for EmbeddingOptions {
    fn default() -> Self {
        Self {
            slots: 8,
            queue_limit: 64,
            step_tokens: 2048,
            clock: Arc::new(SystemMonotonic::default()),
        }
    }
}

/// One loaded model that embeds, and its engine thread. Clones share it; the thread ends with the
/// last of them, or with [`EmbeddingModel::shutdown`].
#[derive(Clone)]
pub struct EmbeddingModel {
    inner: Arc<Inner>,
}

struct Inner {
    description: ModelDescription,
    shape: EmbeddingShape,
    tokenizer: Arc<Tokenizer>,
    options: EmbeddingOptions,
    counters: Arc<Counters>,
    commands: mpsc::Sender<Command>,
    /// Closed when the engine thread has ended and the model is freed.
    ended: watch::Receiver<()>,
    /// Tokenisings on blocking threads.
    tasks: Tasks,
}

impl EmbeddingModel {
    /// Starts the engine thread.
    ///
    /// # Errors
    /// [`ModelError::Internal`] when the operating system gives no thread.
    pub fn start(parts: EmbeddingParts) -> Result<Self, ModelError> {
        let EmbeddingParts {
            description,
            model,
            tokenizer,
            mut options,
        } = parts;
        options.slots = options.slots.max(1);
        let shape = model.shape();
        let counters = Arc::new(Counters::default());
        let (commands, received) = mpsc::channel();
        let (ending, ended) = watch::channel(());
        let worker = Worker::new(model, &options, Arc::clone(&counters), received);
        let stopping = Arc::clone(&counters);
        std::thread::Builder::new()
            .name("embedding".to_owned())
            .spawn(move || {
                // Clients learn of a panic through their closed channels.
                if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                    tracing::error!("the engine thread panicked");
                    stopping.stop("its engine panicked");
                }
                drop(ending);
            })
            .map_err(|error| ModelError::Internal(Box::new(error)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                description,
                shape,
                tokenizer,
                options,
                counters,
                commands,
                ended,
                tasks: Tasks::new(),
            }),
        })
    }

    /// What is known of the model.
    #[must_use]
    pub fn description(&self) -> &ModelDescription {
        &self.inner.description
    }

    /// The vectors of a request's texts, each of length 1. Tokenising runs on a blocking thread.
    /// Dropping the future takes the request's texts out of the queue before the next forward pass.
    ///
    /// # Errors
    /// - [`ModelError::Unsupported`]: no text, an empty one, tokens or dimensions that the model
    ///   does not have, more than [`REQUEST_TOKENS`];
    /// - [`ModelError::InputTooLong`]: a text is longer than the context; none is ever cut;
    /// - [`ModelError::QueueFull`]: refused before anything is tokenised;
    /// - [`ModelError::Stopped`]: the engine does not run.
    pub async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ModelError> {
        let inner = &self.inner;
        if inner.counters.is_stopped() {
            return Err(inner.counters.stopped_error());
        }
        inner.check_dimensions(request.dimensions)?;
        let place = Place::take(
            &inner.counters,
            1,
            inner.options.slots,
            inner.options.queue_limit,
        )?;
        let texts = self.tokenise(request.inputs).await?;
        let tokens: usize = texts.iter().map(Vec::len).sum();
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            texts,
            reply,
            place,
        };
        inner
            .commands
            .send(Command::Submit(submission))
            .map_err(|_| inner.counters.stopped_error())?;
        // The sender goes away without a word when the engine thread panics.
        let mut vectors = match answer.await {
            Ok(vectors) => vectors?,
            Err(_) => return Err(inner.counters.stopped_error()),
        };
        let kept = request.dimensions.unwrap_or(inner.shape.dimensions);
        for vector in &mut vectors {
            vector.truncate(kept);
            normalise(vector);
        }
        Ok(Embeddings {
            vectors,
            prompt_tokens: tokens as u32,
        })
    }

    async fn tokenise(&self, inputs: Vec<EmbeddingInput>) -> Result<Vec<Vec<u32>>, ModelError> {
        let inner = Arc::clone(&self.inner);
        let work = move || inner.tokenise(inputs);
        match self.inner.tasks.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(ModelError::Internal(Box::new(error))),
        }
    }

    /// How busy the engine is now. Its choices are requests.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        self.inner.counters.status(self.inner.options.slots, 0)
    }

    /// Ends the engine thread after the forward pass that runs, and waits until the model is
    /// freed. Unfinished requests end with [`ModelError::Stopped`].
    pub async fn shutdown(&self) {
        // An error means that the thread has ended already.
        let _ = self.inner.commands.send(Command::Shutdown);
        let mut ended = self.inner.ended.clone();
        // Nothing is ever sent: this resolves when the thread drops its end.
        let _ = ended.changed().await;
        self.inner.tasks.wait().await;
    }
}

fn unsupported<T>(param: &'static str, message: String) -> Result<T, ModelError> {
    Err(ModelError::Unsupported { param, message })
}

impl Inner {
    fn check_dimensions(&self, dimensions: Option<usize>) -> Result<(), ModelError> {
        let most = self.shape.dimensions;
        match dimensions {
            Some(wanted) if wanted == 0 || wanted > most => unsupported(
                "dimensions",
                format!("dimensions must be between 1 and {most} for this model, not {wanted}"),
            ),
            _ => Ok(()),
        }
    }

    fn tokenise(&self, inputs: Vec<EmbeddingInput>) -> Result<Vec<Vec<u32>>, ModelError> {
        if inputs.is_empty() {
            return unsupported("input", "input must have at least one text".to_owned());
        }
        let EmbeddingShape {
            vocabulary,
            context_length,
            ..
        } = self.shape;
        let mut texts = Vec::with_capacity(inputs.len());
        let mut total = 0;
        for (index, input) in inputs.into_iter().enumerate() {
            let tokens = match input {
                EmbeddingInput::Text(text) => self.tokenizer.encode_framed(&text),
                EmbeddingInput::Tokens(tokens) => tokens,
            };
            if tokens.is_empty() {
                return unsupported("input", format!("input {index} has no tokens"));
            }
            if tokens.len() > context_length {
                return Err(ModelError::InputTooLong {
                    index,
                    tokens: tokens.len(),
                    context_length,
                });
            }
            if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
                return unsupported(
                    "input",
                    format!(
                        "input {index} has the token {token}, but this model has {vocabulary} \
                         tokens"
                    ),
                );
            }
            total += tokens.len();
            if total > REQUEST_TOKENS {
                return unsupported(
                    "input",
                    format!(
                        "a request may have {REQUEST_TOKENS} tokens; they are used up by input \
                         {index}: send fewer texts at once"
                    ),
                );
            }
            texts.push(tokens);
        }
        Ok(texts)
    }
}

/// Makes a vector's length 1. One of zeros stays.
fn normalise(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    if squares > 0.0 {
        let scale = 1.0 / squares.sqrt();
        for value in vector {
            *value = (f64::from(*value) * scale) as f32;
        }
    }
}

impl fmt::Debug for EmbeddingModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EmbeddingModel")
            .field("description", &self.inner.description)
            .finish_non_exhaustive()
    }
}
