//! [`RenderProcess`]: rendering in helper processes that can be killed.

use super::worker::{Answer, FRAME_LIMIT, Order, READY, Recent};
use super::{ChatTemplate, RenderLimits, RenderRequest};
use crate::contract::ModelError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

/// How long a helper may take to start.
const START_TIME: Duration = Duration::from_secs(10);
/// What a helper's program may print before it is ready, in bytes.
const PREAMBLE_LIMIT: usize = 4096;

/// A small pool of helper processes. Clones share it. Helpers start when first needed, stay warm,
/// and end with the last clone; one that breaks a bound is killed and replaced.
#[derive(Clone, Debug)]
pub struct RenderProcess {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limits: RenderLimits,
    idle: Mutex<Vec<Helper>>,
    /// One permit per helper that may run.
    permits: Semaphore,
}

#[derive(Debug)]
struct Helper {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    known: Recent<()>,
}

/// Why a helper gave no answer.
enum Failure {
    /// It was gone before it read the order: not the template's fault.
    Gone,
    /// It ended over the order.
    Died,
    /// It took too long.
    TimedOut,
    /// The pipe or the answer broke.
    Broken(io::Error),
}

impl RenderProcess {
    /// Helper processes are started as `program arguments…`; that command's main must be
    /// [`super::serve_render_process`].
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>, limits: RenderLimits) -> Self {
        Self::with_environment(program, arguments, Vec::new(), limits)
    }

    /// As [`Self::new`], with variables added to the helpers' environment.
    #[must_use]
    pub fn with_environment(
        program: PathBuf,
        arguments: Vec<OsString>,
        environment: Vec<(OsString, OsString)>,
        limits: RenderLimits,
    ) -> Self {
        let helpers = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .clamp(1, 4);
        Self {
            inner: Arc::new(Inner {
                program,
                arguments,
                environment,
                limits,
                idle: Mutex::new(Vec::new()),
                permits: Semaphore::new(helpers),
            }),
        }
    }

    /// Renders a request.
    ///
    /// # Errors
    /// [`ModelError::Template`] with the template's own message or the bound it broke;
    /// [`ModelError::Internal`] when no helper can be started.
    pub async fn render(
        &self,
        template: &ChatTemplate,
        request: &RenderRequest,
    ) -> Result<String, ModelError> {
        let text = template.text_for(request);
        let mut order = Order {
            memory_bytes: self.inner.limits.memory_bytes,
            hash: text.hash,
            source: None,
            tokens: template.tokens().clone(),
            now: template.now(),
            request: request.clone(),
        };
        let inner = &self.inner;
        let _permit = inner.permits.acquire().await.map_err(internal)?;
        let mut attempts = 0;
        loop {
            let mut helper = match inner.take_idle() {
                Some(helper) => helper,
                None => inner.start().await.map_err(internal)?,
            };
            order.source = match helper.known.touch(text.hash) {
                Some(()) => None,
                None => {
                    helper.known.insert(text.hash, ());
                    Some(text.text.clone())
                }
            };
            // The helper is owned here: if the caller goes away in the midst of a rendering, it
            // is dropped and thereby killed.
            match helper.render(&order, inner.limits.time).await {
                Ok(answer) => {
                    inner.give_back(helper);
                    return answer.map_err(|message| ModelError::Template { message });
                }
                Err(Failure::Gone) if attempts < 8 => attempts += 1,
                Err(failure) => {
                    // Killed and waited for, so that its memory is free before anyone is told.
                    let _ = helper.child.kill().await;
                    return Err(inner.explain(failure));
                }
            }
        }
    }
}

impl Inner {
    fn take_idle(&self) -> Option<Helper> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn give_back(&self, helper: Helper) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(helper);
    }

    async fn start(&self) -> io::Result<Helper> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("the helper process has no pipe");
        let input = child.stdin.take().ok_or_else(missing)?;
        let mut output = child.stdout.take().ok_or_else(missing)?;
        let ready = tokio::time::timeout(START_TIME, skip_to_ready(&mut output)).await;
        ready
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
            .flatten()?;
        Ok(Helper {
            child,
            input,
            output,
            known: Recent::default(),
        })
    }

    fn explain(&self, failure: Failure) -> ModelError {
        let message = match failure {
            Failure::TimedOut => {
                format!("it took longer than {} s", self.limits.time.as_secs_f64())
            }
            Failure::Died | Failure::Gone => format!(
                "it needs more than {} MiB of memory, or nests too deeply",
                self.limits.memory_bytes / (1024 * 1024)
            ),
            Failure::Broken(error) => return internal(error),
        };
        ModelError::Template { message }
    }
}

impl Helper {
    async fn render(&mut self, order: &Order, time: Duration) -> Result<Answer, Failure> {
        match tokio::time::timeout(time, self.exchange(order)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::TimedOut),
        }
    }

    async fn exchange(&mut self, order: &Order) -> Result<Answer, Failure> {
        let bytes = serde_json::to_vec(order).map_err(|error| Failure::Broken(error.into()))?;
        if bytes.len() > FRAME_LIMIT {
            return Ok(Err("the conversation is too long to render".to_owned()));
        }
        let length =
            u32::try_from(bytes.len()).map_err(|error| Failure::Broken(io::Error::other(error)))?;
        // A helper that died while idle is found out by its closed pipe.
        if self.input.write_all(&length.to_le_bytes()).await.is_err() {
            return Err(Failure::Gone);
        }
        self.input
            .write_all(&bytes)
            .await
            .map_err(|_| Failure::Died)?;
        self.input.flush().await.map_err(|_| Failure::Died)?;
        let mut length = [0; 4];
        self.output
            .read_exact(&mut length)
            .await
            .map_err(|_| Failure::Died)?;
        let length = usize::try_from(u32::from_le_bytes(length))
            .map_err(|error| Failure::Broken(io::Error::other(error)))?;
        if length > FRAME_LIMIT {
            return Err(Failure::Broken(io::Error::other("the answer is too long")));
        }
        let mut answer = vec![0; length];
        self.output
            .read_exact(&mut answer)
            .await
            .map_err(|_| Failure::Died)?;
        serde_json::from_slice(&answer).map_err(|error| Failure::Broken(error.into()))
    }
}

/// Reads until the helper says that it is ready.
async fn skip_to_ready(output: &mut ChildStdout) -> io::Result<()> {
    let mut seen = Vec::with_capacity(64);
    while !seen.ends_with(READY) {
        if seen.len() > PREAMBLE_LIMIT {
            return Err(io::Error::other("the program is no helper process"));
        }
        seen.push(output.read_u8().await?);
    }
    Ok(())
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ModelError {
    ModelError::Internal(Box::new(error))
}
