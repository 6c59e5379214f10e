//! Chat templates, rendered and tokenised.

mod process;
mod request;
mod template;

use crate::contract::{Input, ModelError};
use crate::tokenizer::Tokenizer;

pub use process::{RenderProcess, serve_render_process};
pub use request::RenderRequest;
pub use template::ChatTemplate;

use std::time::Duration;

/// What one rendering may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderLimits {
    /// Wall time.
    pub time: Duration,
    /// Memory of the process that renders, in bytes.
    pub memory_bytes: u64,
}

impl Default for RenderLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Who renders a template.
#[derive(Clone, Debug)]
pub enum Renderer {
    /// This process: for templates of our own, and for tests. Bounded in steps and in output, not
    /// in memory.
    InProcess,
    /// Helper processes with a memory limit, killed at the time limit.
    Process(RenderProcess),
}

impl Renderer {
    /// Renders a request.
    ///
    /// # Errors
    /// [`ModelError::Template`] with the template's own message, or with the bound it broke.
    pub async fn render(
        &self,
        template: &ChatTemplate,
        request: &RenderRequest,
    ) -> Result<String, ModelError> {
        match self {
            Self::InProcess => template.render(request),
            Self::Process(process) => process.render(template, request).await,
        }
    }
}

/// Renders and tokenises.
///
/// # Errors
/// [`ModelError::Template`].
pub async fn prompt_tokens(
    _renderer: &Renderer,
    _template: &ChatTemplate,
    tokenizer: &Tokenizer,
    input: &Input,
) -> Result<Vec<u32>, ModelError> {
    Ok(match input {
        Input::Chat { .. } => Vec::new(),
        Input::Text(text) => tokenizer.encode(text),
        Input::Tokens(tokens) => tokens.clone(),
    })
}
