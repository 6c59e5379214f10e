//! Chat templates, rendered and tokenised.
//!
//! A [`ChatTemplate`] is the model's own Jinja text. [`RenderRequest`] is what it is rendered with,
//! [`Renderer`] who does it: on a server always a helper process ([`RenderProcess`]), because a
//! template comes with the model file and may be hostile. [`prompt_tokens`] goes all the way from
//! a conversation to token ids.
//!
//! Rendering equals Hugging Face transformers' `apply_chat_template` (`environment`, `dialect` and
//! `python` hold what minijinja does otherwise). Templates never come from a request.

mod dialect;
mod environment;
mod marks;
mod process;
mod python;
mod render;
mod request;
mod template;
mod worker;

use crate::contract::{Input, ModelError};
use crate::tokenizer::{Piece, Tokenizer};
use marks::{Marker, unmark};

pub use process::RenderProcess;
pub use request::RenderRequest;
pub use template::ChatTemplate;
pub use worker::serve_render_process;

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

/// The tokens a model reads: a conversation rendered by its template and split into tokens, plain
/// text tokenised as it is, or the tokens that were given. Text and conversations begin with the
/// beginning-of-sequence token, once, where the tokenizer adds it.
///
/// No string of the conversation becomes a control token; see `marks`.
///
/// # Errors
/// [`ModelError::Template`] when the template refuses the messages, fails or breaks a bound;
/// [`ModelError::Unsupported`] for content the model cannot read.
pub async fn prompt_tokens(
    renderer: &Renderer,
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    input: &Input,
) -> Result<Vec<u32>, ModelError> {
    let mut tokens = match input {
        Input::Tokens(tokens) => return Ok(tokens.clone()),
        Input::Text(text) => tokenizer.encode(text),
        Input::Chat { .. } => {
            let Some(mut request) = RenderRequest::from_input(input)? else {
                return Ok(Vec::new());
            };
            request.mark(&Marker::new(tokenizer));
            let rendered = renderer.render(template, &request).await?;
            let pieces: Vec<Piece<'_>> = tokenizer
                .partition(&rendered)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) => Piece::Text(unmark(text)),
                    control @ Piece::Control(_) => control,
                })
                .collect();
            tokenizer.encode_pieces(&pieces)
        }
    };
    if let Some(bos) = tokenizer.bos().filter(|_| tokenizer.adds_bos())
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    Ok(tokens)
}
