//! A minijinja environment that renders as transformers' `apply_chat_template` does.

use super::{dialect, python};
use crate::contract::ModelError;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Longest output, in bytes.
const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;
/// Steps of the template machine per rendering.
pub(super) const STEPS: u64 = 50_000_000;
/// The name the template has in error messages.
const NAME: &str = "chat_template";

/// A compiled template.
pub(super) struct Compiled {
    environment: Environment<'static>,
    /// What `strftime_now` takes for now, in seconds since 1970.
    now: Arc<AtomicI64>,
}

impl Compiled {
    /// Compiles a template's text; a rendering may take `steps`.
    ///
    /// # Errors
    /// [`ModelError::Template`] for a syntax error.
    pub(super) fn new(source: &str, steps: u64) -> Result<Self, ModelError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| model_error(&error))?;
        environment.set_syntax(syntax);
        environment.set_debug(false);
        environment.set_fuel(Some(steps));
        environment.set_formatter(|out, _state, value| write_value(value, out));
        python::install(&mut environment);
        let now = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now);
        environment.add_function("strftime_now", move |format: &str| {
            python::strftime(clock.load(Ordering::Relaxed), format)
        });
        environment
            .add_template_owned(NAME, dialect::translate(source))
            .map_err(|error| model_error(&error))?;
        Ok(Self { environment, now })
    }

    /// Renders with the given variables.
    ///
    /// # Errors
    /// [`ModelError::Template`] with the template's own message or the bound it broke.
    pub(super) fn render(&self, variables: Value, now: i64) -> Result<String, ModelError> {
        self.now.store(now, Ordering::Relaxed);
        let mut output = BoundedOutput::default();
        let result = self.environment.get_template(NAME).and_then(|template| {
            template
                .render_captured_to(variables, &mut output)
                .map(drop)
        });
        match result {
            Ok(()) => String::from_utf8(output.bytes)
                .map_err(|error| ModelError::Internal(Box::new(error))),
            Err(_) if output.is_full => Err(ModelError::Template {
                message: format!("the prompt would be longer than {OUTPUT_LIMIT} bytes"),
            }),
            Err(error) => Err(model_error(&error)),
        }
    }
}

fn write_value(value: &Value, out: &mut minijinja::Output<'_>) -> Result<(), Error> {
    if value.kind() == ValueKind::Invalid {
        return Err(Error::new(ErrorKind::InvalidOperation, value.to_string()));
    }
    python::write_str(value, out)
}

/// What a rendering failure says to the person who sent the request.
fn model_error(error: &Error) -> ModelError {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        if let Some(raised) = cause.downcast_ref::<python::Raised>() {
            return ModelError::Template {
                message: raised.0.clone(),
            };
        }
        source = cause.source();
    }
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        _ => error.to_string(),
    };
    ModelError::Template { message }
}

/// Collects output up to the limit.
#[derive(Default)]
struct BoundedOutput {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_LIMIT {
            self.is_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
